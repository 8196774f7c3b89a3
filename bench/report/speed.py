"""Draw the sections about single photos: the cases `image`, `throughput` and `colours`."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.core.results import CaseResult, Run
from bench.core.statistics import paired_ratio
from bench.report import values
from bench.report.charts import INK, Bar, Chart, Limit, Mark, Table, bars, chart, dots, noise_text, number

FLOOR_RATIO, RATIO = "multiple of the floor", "times less CPU than {}"
"""Facts of the case: our CPU time over the baseline's, and a competitor's over ours, each taken within a round."""

BASELINES = ("floor", "floor-turbo")
CODEC_PACKAGES = ("pyvips-binary", "simplejpeg", "imagecodecs", "sharp", "pillow")


def image_bars(case: CaseResult) -> list[Bar]:
    """Return the CPU time of an image for each contender, fastest first, compared with ours or with the baseline."""
    series, facts = values.large_jpegs(case), case.facts
    measured = {name: values.times(series, name, values.CPU) for name in values.contenders(case)}
    costs = {name: 1000 * values.overall_median(own) for name, own in measured.items() if own}
    costs |= {name: facts[fact] for name in measured if (fact := values.CPU_FACT.format(name)) in facts}
    rows = []
    for name, cost in costs.items():
        label, note = values.name_of(name), ""
        if name == "ours" and FLOOR_RATIO in facts:
            note = f"{number(facts[FLOOR_RATIO])} × the floor"
        elif name not in ("ours", *BASELINES) and "ours" in costs:
            note = f"{number(facts.get(RATIO.format(label)) or cost / costs['ours'])} × ours"
        rows.append(Bar(label, cost, values.colour_of(name), values.band(measured[name], cost), note))
    return sorted(rows, key=lambda bar: bar.value)


def image(case: CaseResult, run: Run) -> Iterator[Chart | Table | str]:
    """Draw CPU times, the codecs, each photo compared with the baseline, and a table by format."""
    counted = case.facts.get("counted_photos", 0)
    over = f"{counted:.0f} JPEG photos of 8 MP and more" if counted else "all photos"
    rows = image_bars(case)
    text = f"Medians over {over}. Each contender makes six variants, and the palette if it supports one."
    yield chart(bars, "CPU time of one image", rows, "ms", caption=f"{text} {noise_text(rows)}")
    remarks = (remark.partition(": ") for remark in case.remarks)
    codecs = [(values.name_of(name), text) for name, _, text in remarks if name in ("ours", *BASELINES)]
    yield Table("Which codec is used", ("Contender", "Codec"), codecs)
    if codecs:
        versions = ", ".join(f"{name} {run.versions[name]}" for name in CODEC_PACKAGES if name in run.versions)
        text = "The JPEG codec of pyvips-binary is mozjpeg; simplejpeg and imagecodecs use libjpeg-turbo."
        yield f"{text} Versions: {versions}." if versions else text
    yield from _photo_by_photo(case)
    yield _formats(case)


def _photo_by_photo(case: CaseResult) -> Iterator[Chart]:
    ours, floor = (values.times(values.large_jpegs(case), name, values.CPU) for name in ("ours", "floor"))
    ratios = {photo: 1 / paired_ratio(floor[photo], ours[photo]) for photo in ours if photo in floor}
    if ratios:
        *_, (worst, highest) = ordered = sorted(ratios.items(), key=lambda entry: entry[1])
        marks = [
            Mark("", ratio, "tab:blue", f"{photo}: {number(ratio)} times the baseline") for photo, ratio in ordered
        ]
        middle = median(ratios.values())
        limits = (*values.limit_of(case, FLOOR_RATIO), Limit(middle, f"median {middle:.2f}", INK))
        title = "Ours compared with the baseline, photo by photo"
        text = "Each dot is a photo; each ratio is taken within a round. The axis does not begin at 0."
        text += f" Highest ratio: {worst}, {highest:.2f}."
        yield chart(dots, title, marks, "times the baseline's CPU", limits, caption=text)


def _formats(case: CaseResult) -> Table:
    rows = []
    for group in sorted({series.group for series in case.series if series.contender == "ours"}):
        own = [series for series in case.series if series.group == group]
        forms = (("ours", values.CPU), ("ours", values.WALL), ("floor", values.CPU))
        ours, wall, floor = (values.times(own, name, value) for name, value in forms)
        peaks = [values.peaks(series.samples) for series in own if series.contender == "ours"]
        if ours:
            band = values.band(ours, 1.0)
            noise = f"± {number(100 * (band[1] - 1), 2)} %" if band else "unknown"
            cells = [number(1000 * values.overall_median(of)) if of else "" for of in (ours, wall, floor)]
            peak = f"{max(map(max, peaks)):.0f}" if all(peaks) else ""
            rows.append((group, str(len(ours)), cells[0], noise, *cells[1:], peak))
    head = ("Format and size", "Photos", "CPU ms", "Noise", "Wall ms", "Baseline CPU ms", "Peak MB")
    return Table("Ours by format and size", head, rows, range(1, 7))


def throughput(case: CaseResult, run: Run) -> Iterator[Chart]:
    """Draw images per second with one and two in flight."""
    rows = values.contender_bars(case, values.extra("images_per_s"))
    text = f"On {run.machine.cores} cores. {noise_text(rows)}"
    yield chart(bars, "One and two in flight", rows, "images/s", caption=text)


def colours(case: CaseResult, run: Run) -> Iterator[Chart]:
    """Draw the CPU times of quantizer and score alone."""
    rows = values.contender_bars(case, values.CPU, 1000)
    rows = [row._replace(colour="tab:blue" if row.label.startswith("native") else "tab:gray") for row in rows]
    equal, photos = case.facts.get("equal lists of scores"), case.facts.get("photos")
    same = f" Equal lists of scores: {equal:.0f} of {photos:.0f}." if equal is not None and photos else ""
    text = f"Medians over photos, on the downsampled copy of each photo.{same} {noise_text(rows)}"
    yield chart(bars, "CPU time of quantizer and score, per photo", rows, "ms", caption=text)
