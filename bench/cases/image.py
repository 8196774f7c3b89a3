"""One image through the whole pipeline: photo by photo, all contenders in each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from bench.contenders import CONTENDERS
from bench.contenders.race import Race, race, start
from bench.core.results import CaseResult, Check, Sample, at_least, at_most
from bench.core.runner import Context
from bench.core.samples import Photo
from bench.core.statistics import paired_ratio

NAME = "image"
SUMMARY = "one image through the whole pipeline: CPU, wall and memory, photo by photo, for all contenders"

COUNTED_MEGAPIXELS = 8.0
"""The targets apply to JPEG photos of at least this size, as phones and cameras produce them."""

MAX_OF_FLOOR = 1.5
MIN_OF_LEGACY = 5.5
MIN_OF_TUNED = 3.2


def run(context: Context) -> CaseResult:
    """Race over all photos. The targets apply to the JPEG photos of at least 8 megapixels."""
    with ExitStack() as stack:
        runners = start(stack, context)
        result = race(context, runners, context.photos)
    facts, checks, remarks = judged(result, context.photos)
    notes = {contender.name: "" if contender.colours else "does not extract a palette" for contender in CONTENDERS}
    return CaseResult(
        case=NAME,
        series=result.as_series(context.photos, notes),
        facts=facts,
        checks=checks,
        missing=runners.missing,
        remarks=(
            *remarks,
            *(f"{contender.name}: {contender.summary}" for contender in runners.contenders.values()),
            *result.rejections,
        ),
        versions=runners.versions,
    )


def large_jpegs(photos: Sequence[Photo]) -> list[Photo]:
    """Return the photos that the targets apply to."""
    return [photo for photo in photos if photo.format == "jpeg" and photo.megapixels >= COUNTED_MEGAPIXELS]


def judged(result: Race, photos: Sequence[Photo]) -> tuple[dict[str, float], tuple[Check, ...], list[str]]:
    """Return facts, checks and remarks. A ratio is the median over rounds, then over photos. Pure."""
    large = large_jpegs(photos)
    facts: dict[str, float] = {"counted_photos": float(len(large))}
    remarks = []
    checks = []
    for contender in dict.fromkeys(name for name, _ in result.series):
        own = _cpu(result.series, contender, large)
        if own:
            facts[f"{contender}: CPU ms an image, median"] = 1000 * median(median(times) for times in own.values())
    ours = _cpu(result.series, "ours", large)
    for competitor, name, limit, is_maximum in (
        ("floor", "multiple of the floor", MAX_OF_FLOOR, True),
        ("floor-turbo", "multiple of the floor on libjpeg-turbo", None, True),
        ("model", "times less CPU than the model's way", MIN_OF_LEGACY, False),
        ("sharp-tuned", "times less CPU than sharp tuned", MIN_OF_TUNED, False),
        ("pillow", "times less CPU than Pillow", None, False),
        ("imagemagick", "times less CPU than ImageMagick", None, False),
    ):
        theirs = _cpu(result.series, competitor, large)
        both = sorted(ours.keys() & theirs.keys())
        if not both:
            continue
        ratios = {photo: paired_ratio(theirs[photo], ours[photo]) ** (-1 if is_maximum else 1) for photo in both}
        value = median(ratios.values())
        facts[name] = value
        worst = max(both, key=lambda photo, r=ratios, sign=1 if is_maximum else -1: sign * r[photo])  # type: ignore[misc]
        remarks.append(f"{name}: {value:.2f} in the median of {len(both)} photos, worst {ratios[worst]:.2f} ({worst})")
        if limit is not None:
            checks.append((at_most if is_maximum else at_least)(name, value, limit))
    return facts, tuple(checks), remarks


def _cpu(
    series: Mapping[tuple[str, str], Sequence[Sample]], contender: str, photos: Sequence[Photo]
) -> dict[str, list[float]]:
    return {
        photo.name: [sample.cpu_s for sample in series[contender, photo.name]]
        for photo in photos
        if (contender, photo.name) in series
    }
