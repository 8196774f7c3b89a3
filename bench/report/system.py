"""The sections about whole programs: `target`, `memory`, `start`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

from bench.core.results import CaseResult, MemoryLine, Run, Sample
from bench.report.bars import Bar, Limit, bars, noise_words
from bench.report.drawing import number
from bench.report.figures import band, contenders, cpu, limit_of, look_of, middle, name_of, point_band, times, wall
from bench.report.html import Markup, figure, legend
from bench.report.lines import Axes, Line, lines
from bench.report.spans import LEGEND, image_of, lanes, waterfall
from bench.report.spans import look_of as stage_look

INSIDE = ("render",)
"""Stages that are the sum of others."""


def target(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Wall and CPU of the three forms, where the time goes, one image and all of them over time."""
    for what, of, name in (("Wall time", wall, "wall"), ("CPU time", cpu, "CPU")):
        rows = []
        for contender in contenders(case):
            own = times(case.series, contender, of)
            if own:
                value = middle(own)
                rows.append(Bar(label=name_of(contender), value=value, look=look_of(contender), band=band(own, value)))
        subject = case.series[0].subject if case.series else ""
        limits = next((found for start in _starts(case, name) if (found := limit_of(case, start))), ())
        goal = case.facts.get("multiple_of_goal")
        beside = f" The goal of 5 minutes is {number(goal)} times as long." if goal and name == "wall" else ""
        if rows:
            yield figure(
                f"{what} from the first upload to the last result",
                partial(bars, f"{what} of {subject}", rows, "s", limits=limits),
                f"{subject}, everything on this one machine.{beside} {noise_words(rows)}",
            )
    yield from _stages(case)
    steps = image_of(case.spans)
    if steps:
        yield figure(
            "One image, step by step",
            partial(waterfall, "The steps of one image over time", steps),
            f"Of all images of the last round with stages timed, the one in the median of time ({steps[0].subject}). "
            "Each picture is cut out and encoded before the next one.",
        )
    if case.spans:
        yield figure(
            "All images: what every thread did",
            partial(lanes, "Stages of every task over time", case.spans),
            "The last round with stages timed. The lane “files” holds several threads, which overlap; so do calls of "
            "the backend.",
            legend(LEGEND),
        )


def _starts(case: CaseResult, name: str) -> Iterator[str]:
    for check in case.checks:
        if check.name.endswith(f", {name}"):
            yield check.name


def _stages(case: CaseResult) -> Iterator[Markup]:
    end = "_ms_per_image"
    rows = [
        Bar(
            label=name.removeprefix("stage_").removesuffix(end),
            value=value,
            look=stage_look(name.removeprefix("stage_").removesuffix(end)),
            band=_stage_band(case, name.removesuffix(end)),
        )
        for name, value in case.facts.items()
        if name.startswith("stage_") and name.removeprefix("stage_").removesuffix(end) not in INSIDE and value > 0
    ]
    if not rows:
        return
    rows.sort(key=lambda row: -row.value)
    both = [case.facts.get(f"{name}{end}") for name in ("compute", "waiting", "database_cpu")]
    told = ""
    if all(value is not None for value in both):
        told = " Computing: {} ms of wall time an image; waiting: {} ms; the database: {} ms of CPU.".format(
            *(number(value or 0.0) for value in both)
        )
    yield figure(
        "What part each stage took",
        partial(bars, "Wall milliseconds of each stage, per image", rows, "ms an image"),
        f"Wall time summed over all tasks and threads, so parts that overlap are counted each.{told} "
        f"{noise_words(rows)}",
    )


def _stage_band(case: CaseResult, name: str) -> tuple[float, float] | None:
    """Of a stage's milliseconds an image; the samples have it in seconds over all images."""
    of = [sample.extra[f"{name}_s"] for one in case.series for sample in one.samples if f"{name}_s" in sample.extra]
    around = point_band(of)
    fact = case.facts[f"{name}_ms_per_image"]
    return None if around is None else (fact * around[0] / median(of), fact * around[1] / median(of))


def memory(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Memory over time, each program in a field of its own, on one scale."""
    limits = limit_of(case, "peak memory")
    highest = max((point.rss_mb for line in case.memory for point in line.points), default=0.0)
    for line, series in _with_series(case):
        own = (Limit(limits[0].value, limits[0].words),) if limits and "24 MP" in line.label else ()
        peaks = [sample.peak_rss_mb for sample in series if sample.peak_rss_mb is not None]
        around = point_band(peaks)
        said = f"Peak: {number(max(point.rss_mb for point in line.points))} MB in this round"
        said += f"; of {len(peaks)} rounds the median is {number(median(peaks))} MB" if len(peaks) > 1 else ""
        said += (
            f", its noise band {number(around[0])} to {number(around[1])} MB (shaded)."
            if around
            else "; noise is not known with fewer than three rounds."
        )
        points = tuple((point.seconds, point.rss_mb) for point in line.points)
        rows = [Line(label="", look="ours", points=points, dots=False)]
        if around:
            flat = tuple((x, median(peaks)) for x in (points[0][0], points[-1][0]))
            rows.append(Line(label="", look="other", points=flat, bands=(around, around), dots=False))
        top = max([highest, *(limit.value for limit in limits), *(around or ())])
        yield figure(
            f"Memory over time: {line.label}",
            partial(lines, "Memory over time", rows, Axes(x="seconds", y="MB", highest=top), limits=own),
            said,
        )


def _with_series(case: CaseResult) -> Iterator[tuple[MemoryLine, Sequence[Sample]]]:
    """Each line with the samples of its rounds: lines and series are in the same order."""
    for place, line in enumerate(case.memory):
        if line.points:
            yield line, case.series[place].samples if place < len(case.series) else ()


def start(case: CaseResult, run: Run) -> Iterator[Markup]:
    """From the start of a process to its first claim and first result, and what it loads on the way."""
    facts = case.facts
    samples = [sample for one in case.series for sample in one.samples]
    rows = []
    for label, fact, values in (
        ("to the first claim", "first_claim_s", [sample.wall_s for sample in samples]),
        ("to the first result", "first_result_s", [sample.extra.get("first_result_s", 0.0) for sample in samples]),
    ):
        if fact in facts:
            rows.append(Bar(label=label, value=1000 * facts[fact], look="ours", band=_ms(point_band(values))))
    limits = tuple(Limit(1000 * limit.value, limit.words) for limit in limit_of(case, "process start"))
    if rows:
        yield figure(
            "From the start of a task's process",
            partial(bars, "Milliseconds from process start", rows, "ms", limits=limits),
            f"Medians of {len(samples)} starts, wall time, warm caches. {noise_words(rows)}",
        )
    named = {"import_of_rendering_s": "import of rendering", "kernel_load_s": "load of all kernels"}
    loads = [Bar(label=said, value=1000 * facts[name], look="load") for name, said in named.items() if name in facts]
    loads += [
        Bar(label=f"kernel {name.removeprefix('kernel_').removesuffix('_s')}", value=1000 * value, look="load")
        for name, value in facts.items()
        if name.startswith("kernel_") and name != "kernel_load_s" and value > 0
    ]
    if loads:
        yield figure(
            "Loaded on a thread beside the first claim",
            partial(bars, "Milliseconds that rendering and kernels need", loads, "ms"),
            f"{facts.get('kernels_compiled', 0):.0f} kernels compiled. The fastest of several fresh processes.",
        )
    imports = [
        Bar(label=name.removeprefix("import_").removesuffix("_s"), value=1000 * value, look="wait")
        for name, value in facts.items()
        if name.startswith("import_") and name not in named and value > 0
    ]
    if imports:
        yield figure(
            "What the claim waits for: imports",
            partial(bars, "Milliseconds by import", imports, "ms"),
            "Each package with all that it imports itself, so they overlap; measured once, no noise is known.",
        )


def _ms(around: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if around is None else (1000 * around[0], 1000 * around[1])
