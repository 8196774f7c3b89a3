"""The sections about single photos: the case `image` beside floor and rivals, `throughput`, `colours`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from statistics import median

from bench.core.results import CaseResult, Run
from bench.core.statistics import paired_ratio
from bench.report.bars import Bar, bars, noise_words
from bench.report.dots import Dot, swarm
from bench.report.drawing import number
from bench.report.figures import (
    band,
    contenders,
    cpu,
    extra,
    large_jpegs,
    limit_of,
    look_of,
    middle,
    name_of,
    times,
    wall,
)
from bench.report.html import Markup, figure, paragraph, table

CPU_FACT = "{}: CPU ms an image, median"
FACTS = {
    "model": "times less CPU than the model's way",
    "sharp-tuned": "times less CPU than sharp tuned",
    "pillow": "times less CPU than Pillow",
    "imagemagick": "times less CPU than ImageMagick",
}
"""The case's own figure of what a rival needs beside ours, each ratio taken within a round."""

FLOORS = ("floor", "floor-turbo")
CODEC_PACKAGES = ("pyvips-binary", "simplejpeg", "imagecodecs", "sharp", "pillow")


def image_bars(case: CaseResult) -> tuple[Bar, ...]:
    """CPU time of an image for each contender, fastest first, with how that stands beside ours or the floor's."""
    found = []
    ours = _cpu_ms(case, "ours")
    for contender in contenders(case):
        value = _cpu_ms(case, contender)
        if value is None:
            continue
        own = times(large_jpegs(case), contender, cpu)
        note = ""
        if contender in FACTS:
            times_ours = case.facts.get(FACTS[contender]) or (value / ours if ours else None)
            note = f"{number(times_ours)} × ours" if times_ours else ""
        elif contender == "ours" and case.facts.get("multiple of the floor"):
            note = f"{number(case.facts['multiple of the floor'])} × the floor"
        found.append(
            Bar(label=name_of(contender), value=value, look=look_of(contender), note=note, band=band(own, value))
        )
    return tuple(sorted(found, key=lambda bar: bar.value))


def image(case: CaseResult, run: Run) -> Iterator[Markup]:
    """CPU beside floor and rivals, the codecs, every photo's multiple of the floor, and formats."""
    rows = image_bars(case)
    if rows:
        counted = case.facts.get("counted_photos", 0)
        over = f"{counted:.0f} JPEG photos of 8 MP and more" if counted else "all photos"
        yield figure(
            "CPU time of one image",
            partial(bars, "CPU milliseconds of one image by contender", rows, "ms"),
            f"Medians over {over}: six pictures from each, and the palette where a contender makes one. "
            f"{noise_words(rows)}",
        )
    yield from codecs(case, run)
    yield from _photo_by_photo(case)
    yield from _formats(case)


def codecs(case: CaseResult, run: Run) -> Iterator[Markup]:
    """What floor and ours decode and encode with, in the words of the run itself."""
    said: dict[str, str] = {}
    for remark in case.remarks:
        name, _, summary = remark.partition(": ")
        if name in (*FLOORS, "ours"):
            said.setdefault(name, summary)
    of = ", ".join(f"{name} {run.versions[name]}" for name in CODEC_PACKAGES if name in run.versions)
    sentences = "".join(f"<li><b>{name_of(name)}</b>: {escape(text)}</li>" for name, text in said.items())
    if sentences:
        note = "The JPEG codec of pyvips-binary is mozjpeg, that of simplejpeg and imagecodecs libjpeg-turbo."
        yield Markup(f"<h3>Which codec is used</h3><ul class='plain'>{sentences}</ul>")
        yield paragraph(f"{note} {of}." if of else note, "note")


def _photo_by_photo(case: CaseResult) -> Iterator[Markup]:
    ours, floor = (times(large_jpegs(case), name, cpu) for name in ("ours", "floor"))
    ratios = {photo: 1 / paired_ratio(floor[photo], ours[photo]) for photo in ours if photo in floor}
    if not ratios:
        return
    dots = [Dot(value, "ours", f"{photo}: {number(value)} times the floor") for photo, value in ratios.items()]
    worst = max(ratios, key=lambda photo: ratios[photo])
    middle_words = f"median {median(ratios.values()):.2f}"
    yield figure(
        "Ours beside the floor, photo by photo",
        partial(
            swarm,
            "Each photo's CPU time as a multiple of the floor's",
            dots,
            "times the floor's CPU",
            limits=limit_of(case, "multiple of the floor"),
            middle=middle_words,
        ),
        f"Each dot is a photo; a ratio is taken within a round. Farthest from the floor: {worst}, {ratios[worst]:.2f}.",
    )


def _formats(case: CaseResult) -> Iterator[Markup]:
    rows = []
    for group in sorted({series.group for series in case.series if series.contender == "ours"}):
        own = [series for series in case.series if series.group == group]
        mine = times(own, "ours", cpu)
        if not mine:
            continue
        walls = times(own, "ours", wall)
        floor = times(own, "floor", cpu)
        peaks = [
            sample.peak_rss_mb
            for series in own
            if series.contender == "ours"
            for sample in series.samples
            if sample.peak_rss_mb is not None
        ]
        around = band(mine, middle(mine))
        rows.append(
            (
                group,
                str(len(mine)),
                number(1000 * middle(mine)),
                f"± {number(100 * (around[1] / middle(mine) - 1), 2)} %" if around else "not known",
                number(1000 * middle(walls)) if walls else "",
                number(1000 * middle(floor)) if floor else "",
                f"{max(peaks):.0f}" if peaks else "",
            )
        )
    if rows:
        yield Markup("<h3>Ours by format and size</h3>")
        head = ("Format and size", "Photos", "CPU ms", "Noise", "Wall ms", "Floor CPU ms", "Peak MB")
        yield table(head, rows, range(1, 7))


def throughput(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Images per second with one and two in flight."""
    rows = []
    for contender in contenders(case):
        own = times(case.series, contender, extra("images_per_s"))
        if own:
            value = middle(own)
            rows.append(Bar(label=name_of(contender), value=value, look=look_of(contender), band=band(own, value)))
    if rows:
        yield figure(
            "One and two in flight",
            partial(bars, "Images per second by contender and images in flight", rows, "images/s"),
            f"On {run.machine.cores} cores. {noise_words(rows)}",
        )


def colours(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Quantizer and score alone."""
    rows = []
    for contender in contenders(case):
        own = times(case.series, contender, cpu)
        if own:
            value = 1000 * middle(own)
            look = "ours" if contender.startswith("native") else "other"
            around = band(own, value)
            rows.append(Bar(label=contender, value=value, look=look, band=around))
    if rows:
        equal, photos = case.facts.get("equal lists of scores"), case.facts.get("photos")
        same = f" Equal lists of scores: {equal:.0f} of {photos:.0f}." if equal is not None and photos else ""
        yield figure(
            "Colours: CPU time of a photo's proxy",
            partial(bars, "CPU milliseconds of quantizer and score", rows, "ms"),
            f"Medians over photos.{same} {noise_words(rows)}",
        )


def _cpu_ms(case: CaseResult, contender: str) -> float | None:
    """The case's own figure; where it counted no photo, the median over all."""
    fact = case.facts.get(CPU_FACT.format(contender))
    own = times(large_jpegs(case), contender, cpu)
    return fact if fact is not None else 1000 * middle(own) if own else None
