"""Verdicts about all variants: medians, the worst ones, file sizes, equal work. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bench.core.results import Check, at_least, at_most
from bench.quality.jpeg_markers import EncoderSettings, differing

MIN_MEDIAN = 0.996
MIN_WORST = 0.985
MAX_LOSS = 0.002
MAX_BYTES = 0.04
COMPETITORS = ("model", "sharp-tuned")
"""Both use sharp. The targets about files of sharp apply to each of them."""

EQUAL = ("floor", *COMPETITORS)
"""Contenders that must have exactly our encoder settings, so that their times can be compared with ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One variant by one contender. `figures` as in `Sample.extra`."""

    contender: str
    photo: str
    output: str
    settings: EncoderSettings
    figures: dict[str, float]


def judged(pictures: Sequence[Picture]) -> tuple[dict[str, float], tuple[Check, ...], list[str]]:
    """Return facts by contender, the checks of our targets, and remarks that name the worst variants."""
    facts: dict[str, float] = {}
    remarks = [
        "SSIM: Wang et al. 2004 on luma, Gaussian window. Reference: full decode, profile to sRGB (relative "
        "colorimetric, black point compensation), one Lanczos 3 resize of the exact crop. The others crop whole "
        "pixels, so they are compared with that crop or with one shifted by half a pixel, the one that is nearer."
    ]
    for contender in dict.fromkeys(picture.contender for picture in pictures):
        own = [picture for picture in pictures if picture.contender == contender]
        for figure in ("ssim_before_jpeg", "psnr_before_jpeg_db", "ssim_after_jpeg", "psnr_after_jpeg_db"):
            valued = [picture for picture in own if figure in picture.figures]
            if valued:
                facts[f"{contender}: {figure}, median"] = median(picture.figures[figure] for picture in valued)
                worst = min(valued, key=lambda picture, f=figure: picture.figures[f])  # type: ignore[misc]
                facts[f"{contender}: {figure}, worst"] = worst.figures[figure]
                if figure.startswith("ssim"):
                    remarks.append(
                        f"{contender}: worst {figure} {worst.figures[figure]:.4f}, {worst.photo}, {worst.output}"
                    )
    checks = (*_before(pictures), *_after(pictures, facts), *_equal(pictures, remarks))
    return facts, checks, remarks


def _before(pictures: Sequence[Picture]) -> list[Check]:
    """Check the median and the worst SSIM before JPEG; the output with the lowest value decides."""
    by_output: dict[str, list[float]] = {}
    for picture in pictures:
        if picture.contender == "ours" and "ssim_before_jpeg" in picture.figures:
            by_output.setdefault(picture.output, []).append(picture.figures["ssim_before_jpeg"])
    if not by_output:
        return []
    lowest = min(median(values) for values in by_output.values())
    worst = min(min(values) for values in by_output.values())
    return [
        at_least("SSIM before JPEG, median of the lowest output", lowest, MIN_MEDIAN, ""),
        at_least("SSIM before JPEG, worst picture", worst, MIN_WORST, ""),
    ]


def _after(pictures: Sequence[Picture], facts: dict[str, float]) -> list[Check]:
    checks = []
    for competitor in COMPETITORS:
        losses, ratios = [], []
        for output in dict.fromkeys(picture.output for picture in pictures):
            ours, theirs = _paired(pictures, competitor, output)
            if not ours:
                continue
            means = [fmean(picture.figures["ssim_after_jpeg"] for picture in side) for side in (theirs, ours)]
            losses.append(means[0] - means[1])
            sums = [sum(picture.figures["file_bytes"] for picture in side) for side in (ours, theirs)]
            ratios.append(sums[0] / sums[1] - 1)
            facts[f"{output}: bytes beside {competitor}'s, percent"] = 100 * ratios[-1]
            facts[f"{output}: mean ssim_after_jpeg less {competitor}'s"] = -losses[-1]
        if losses:
            loss, apart = max(losses), max(map(abs, ratios))
            name = f"SSIM after JPEG, most that an output's mean is below {competitor}'s"
            checks.append(at_most(name, loss, MAX_LOSS, ""))
            name = f"bytes of an output summed, farthest from {competitor}'s"
            limit = f"within {MAX_BYTES:.0%}"
            checks.append(Check(name=name, limit=limit, value=100 * apart, unit="%", holds=apart <= MAX_BYTES))
    return checks


def _paired(pictures: Sequence[Picture], competitor: str, output: str) -> tuple[list[Picture], list[Picture]]:
    """Return (ours, theirs) of one output: the same photos in the same order."""
    sides = [
        {picture.photo: picture for picture in pictures if picture.contender == name and picture.output == output}
        for name in ("ours", competitor)
    ]
    both = [photo for photo in sides[0] if photo in sides[1]]
    return [sides[0][photo] for photo in both], [sides[1][photo] for photo in both]


def _equal(pictures: Sequence[Picture], remarks: list[str]) -> list[Check]:
    """Check that every variant has our size, quantization, subsampling and Huffman tables."""
    ours = {(picture.photo, picture.output): picture.settings for picture in pictures if picture.contender == "ours"}
    checks = []
    for contender in dict.fromkeys(picture.contender for picture in pictures if picture.contender != "ours"):
        compared, unequal = 0, []
        for picture in pictures:
            own = ours.get((picture.photo, picture.output))
            if picture.contender == contender and own is not None:
                compared += 1
                names = differing(own, picture.settings)
                if names:
                    unequal.append(f"{picture.photo}, {picture.output}: {', '.join(names)}")
        if compared == 0:
            continue
        if unequal:
            remarks.append(
                f"{contender}: {len(unequal)} of {compared} pictures have other encoder settings ({unequal[0]})"
            )
        else:
            remarks.append(f"{contender}: all {compared} pictures have our size, quality, subsampling, Huffman tables")
        if contender in EQUAL:
            name = f"pictures of {contender} that are encoded otherwise than ours"
            checks.append(Check(name=name, limit="none", value=float(len(unequal)), unit="pictures", holds=not unequal))
    return checks
