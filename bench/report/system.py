"""Draw the sections about whole programs: the cases `target`, `memory`, `start` and `frames`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from bench.core.results import CaseResult, Run, Span
from bench.report.charts import Bar, Chart, Line, Mark, bars, chart, lines, noise_text, number, timeline
from bench.report.values import CPU, WALL, contender_bars, extra, limit_of, peaks, point_band

STAGES = {
    **dict.fromkeys(("proxy", "colours"), ("tab:purple", "proxy and colours")),
    **dict.fromkeys(("fetch", "header"), ("tab:pink", "fetch and header")),
    **{"decode": ("tab:blue", "decode"), "resize": ("tab:green", "resize"), "encode": ("goldenrod", "encode")},
    **{"load": ("darkgray", "load rendering")},
}
"""The colour of each stage, and its text in the legend."""

WAIT = ("tab:gray", "wait: claim, attempt, store, report")
"""The same for all other stages, which wait for the backend or the bucket."""

LOADS = {"import_of_rendering_s": "import of rendering", "kernel_load_s": "load of all kernels"}
"""Facts of the case `start` with a label of their own."""

SUMS = ("render",)
"""Stages that are the sum of other stages."""


def target(case: CaseResult, run: Run) -> Iterator[Chart]:
    """Draw wall and CPU time of each form, the time per stage, one image, and all images over time."""
    text = f"{case.series[0].subject if case.series else ''}, everything on this one machine."
    for kind, value in (("wall", WALL), ("CPU", CPU)):
        check = next((check.name for check in case.checks if check.name.endswith(f", {kind}")), None)
        goal = case.facts.get("multiple_of_goal") if kind == "wall" else None
        multiple = f" The goal of 5 minutes is {number(goal)} times as long." if goal else ""
        title = f"{kind[0].upper()}{kind[1:]} time from the first upload to the last result"
        rows, limits = contender_bars(case, value), limit_of(case, check) if check else ()
        yield chart(bars, title, rows, "s", limits, caption=f"{text}{multiple} {noise_text(rows)}")
    yield _stages(case)
    if image := median_image(case.spans):
        totals: dict[str, list[float]] = {}
        for span in image:
            totals.setdefault(span.stage, []).append(1000 * (span.ends_s - span.begins_s))
        sums = {row: f"{number(sum(ms))} ms{f' in {len(ms)}' if len(ms) > 1 else ''}" for row, ms in totals.items()}
        marks = [_mark(span, span.stage, image[0].begins_s, 1000) for span in image]
        text = (
            "The image with the median duration among all images of the last round with timed stages "
            f"({image[0].subject}). Each variant is cut out and encoded before the next one."
        )
        yield chart(timeline, "One image, step by step", marks, "ms after its decode began (wall)", sums, caption=text)
    marks = sorted((_mark(span, lane_of(span.subject), 0, 1) for span in case.spans), key=lambda mark: mark.row)
    legend = {text: colour for colour, text in (*STAGES.values(), WAIT)}
    text = "The last round with timed stages. The lane “files” contains several threads, which overlap; "
    text += "calls to the backend overlap as well."
    title = "All images: stages of each thread"
    yield chart(timeline, title, marks, "s after the first upload began", caption=text, legend=legend)


def _stages(case: CaseResult) -> Chart:
    unit, rows = "_ms_per_image", []
    samples = [sample for series in case.series for sample in series.samples]
    for name, value in case.facts.items():
        stage = name.removeprefix("stage_").removesuffix(unit)
        if name.startswith("stage_") and stage not in SUMS and value > 0:
            seconds = [sample.extra[f"stage_{stage}_s"] for sample in samples if f"stage_{stage}_s" in sample.extra]
            band = point_band(seconds, value / median(seconds)) if seconds else None
            rows.append(Bar(stage, value, STAGES.get(stage, WAIT)[0], band))
    text = "Wall time, summed over all tasks and threads; stages that overlap are each counted in full."
    parts = [case.facts.get(name + unit) for name in ("compute", "waiting", "database_cpu")]
    sums = [number(part) for part in parts if part is not None]
    if len(sums) == len(parts):
        text += " Computing: {} ms of wall time per image; waiting: {} ms; database: {} ms of CPU.".format(*sums)
    rows.sort(key=lambda row: -row.value)
    return chart(bars, "Time per stage", rows, "ms per image", caption=f"{text} {noise_text(rows)}")


def median_image(spans: Sequence[Span]) -> Sequence[Span]:
    """Return the steps of the image with the median duration, of all images that a thread rendered from a decode on.

    Empty where no thread decoded. A thread's last image counts only if its colours were found.
    """
    images: list[list[Span]] = []
    for subject in dict.fromkeys(span.subject for span in spans):
        begun: list[Span] = []
        for span in sorted((span for span in spans if span.subject == subject), key=lambda span: span.begins_s):
            if span.stage == "decode" and any(before.stage != "decode" for before in begun):
                begun = []
            if span.stage == "decode" or begun:
                begun.append(span)
            if span.stage == "colours" and begun:
                images.append(begun)
                begun = []
    images.sort(key=lambda image: image[-1].ends_s - image[0].begins_s)
    return images[(len(images) - 1) // 2] if images else ()


def lane_of(subject: str) -> str:
    """Return the lane of a thread, such as "task 0 files" for "task 0, io_3": all file threads share one lane."""
    task, _, thread = subject.partition(", ")
    if thread.startswith("render"):
        return f"{task} render {int(re.sub(r'[^0-9]', '', thread) or 0) + 1}"
    return f"{task} {'backend' if thread == 'MainThread' else 'files'}"


def _mark(span: Span, row: str, zero: float, factor: float) -> Mark:
    """Return a span as a period that starts at `zero` seconds; `factor` converts seconds to the unit of the axis."""
    begin, length = factor * (span.begins_s - zero), factor * (span.ends_s - span.begins_s)
    tooltip = f"{span.stage}: {number(1000 * length / factor)} ms at {number(begin)} {'s' if factor == 1 else 'ms'}"
    return Mark(row, begin, STAGES.get(span.stage, WAIT)[0], tooltip, length)


def memory(case: CaseResult, run: Run) -> Iterator[Chart]:
    """Draw memory over time, each program in a chart of its own, all on one scale."""
    limits = limit_of(case, "peak memory")
    values = [point.rss_mb for line in case.memory for point in line.points]
    highest = max([*values, *(limit.value for limit in limits)], default=0.0)
    for place, line in enumerate(case.memory):  # lines and series are in the same order
        if not line.points:
            continue
        points = [(point.seconds, point.rss_mb, None) for point in line.points]
        found = peaks(case.series[place].samples) if place < len(case.series) else []
        band = point_band(found)
        rows = [Line("", "tab:blue", points)]
        text = f"Peak: {number(max(y for _, y, _ in points))} MB in this round"
        text += f"; the median of {len(found)} rounds is {number(median(found))} MB" if len(found) > 1 else ""
        if band:
            text += f", its noise band {number(band[0])} to {number(band[1])} MB (shaded)."
            rows.append(Line("", "tab:gray", [(x, median(found), band) for x in (points[0][0], points[-1][0])]))
        else:
            text += "; there is no noise band with fewer than three rounds."
        own = limits if "24 MP" in line.label else ()
        yield chart(lines, f"Memory over time: {line.label}", rows, "MB", "seconds", own, highest, caption=text)


def start(case: CaseResult, run: Run) -> Iterator[Chart]:
    """Draw the time from the start of a process to its first claim and first result, and what it loads."""
    facts, samples = case.facts, [sample for series in case.series for sample in series.samples]
    claims, results = ([value(sample) for sample in samples] for value in (WALL, extra("first_result_s")))
    rows = [
        Bar(f"to the first {event}", 1000 * facts[fact], "tab:blue", point_band(seconds, 1000))
        for event, fact, seconds in (("claim", "first_claim_s", claims), ("result", "first_result_s", results))
        if fact in facts
    ]
    text = f"Medians of {len(samples)} starts, wall time, warm caches. {noise_text(rows)}"
    limits = limit_of(case, "process start", 1000)
    yield chart(bars, "From the start of a task's process", rows, "ms", limits, caption=text)
    loads, imports = (
        [
            Bar(LOADS.get(name, name.removesuffix("_s").replace("_", " ", 1)), 1000 * value, "tab:gray")
            for name, value in facts.items()
            if re.match(pattern, name) and value > 0
        ]
        for pattern in (r"kernel_|import_of_rendering", r"import_(?!of_rendering)")
    )
    text = f"{facts.get('kernels_compiled', 0):.0f} kernels compiled. The fastest of several fresh processes."
    yield chart(bars, "Loaded on a thread, in parallel with the first claim", loads, "ms", caption=text)
    text = "Each package with everything that it imports, so the times overlap. Measured once, so without noise bands."
    yield chart(bars, "Imports that the first claim waits for", imports, "ms", caption=text)


def frames(case: CaseResult, run: Run) -> Iterator[Chart]:
    """Draw each kind of request of a frame, the bare server first: throughput and the slowest answers."""
    baseline = {series.subject for series in case.series if series.contender == "floor"}
    for title, fact, unit, text in (
        ("Requests per second at 32 connections", "requests a second", "", "Medians of the rounds; more is better."),
        ("99th percentile of response times", "p99_ms", "ms", "Medians of the rounds; less is better."),
    ):
        found = {name.rpartition(": ")[0]: value for name, value in case.facts.items() if name.endswith(f": {fact}")}
        colours = {name: "tab:gray" if name in baseline else "tab:blue" for name in found}
        rows = [Bar(name, value, colours[name]) for name, value in found.items()]
        yield chart(bars, title, rows, unit, caption=text)
