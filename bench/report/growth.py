"""Draw the section about growth: cost per image as the number of images grows, a line for each number of tasks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from bench.core.results import CaseResult, Run, Sample
from bench.core.statistics import MEDIAN_ERROR, STANDARD_ERRORS, spread
from bench.report.charts import HALF, WIDE, Band, Chart, Line, Table, chart, lines, number
from bench.report.values import MIN_ROUNDS, contenders, peaks, point_band

COLOURS = ("skyblue", "tab:blue", "tab:purple", "tab:gray")
"""The colours of the lines, from the fewest tasks to the most."""

PANELS = (
    ("CPU per image, start-up included", "CPU ms per image", "cpu_ms_per_image"),
    ("Time per image, start-up included", "wall ms per image", "wall_ms_per_image"),
    ("CPU of the database", "CPU ms per image", "database_cpu_ms_per_image"),
    ("Peak memory of a task", "MB", ""),
)
"""(title, unit, name of the value in the samples; empty for peak memory)."""

Runs = Sequence[tuple[int, Sequence[Sample]]]
"""(number of images, samples), ascending."""

Points = list[tuple[float, float, Band]]


def growth(case: CaseResult, run: Run) -> Iterator[Chart | Table]:
    """Draw the marginal cost first, because it must stay flat; then totals per image, and start-up alone."""
    found = by_tasks(case)
    text = (
        "Marginal: the cost of each additional image compared with the next smaller number, without start-up. "
        "Bands: three standard errors, where three rounds were measured."
    )
    marginal = {tasks: _marginal(runs) for tasks, runs in found.items()}
    yield _chart("Marginal CPU per image", "CPU ms per image", marginal, text, WIDE)
    for title, unit, name in PANELS:
        yield _chart(title, unit, {tasks: _totals(runs, name) for tasks, runs in found.items()}, "", HALF)
    starts = []
    for name, seconds in case.facts.items():
        kind, marker, tasks = name.partition("_start_up_s, ")
        if marker:
            starts.append((tasks, "CPU" if kind == "cpu" else kind, f"{number(1000 * seconds)} ms"))
    yield Table("Start-up alone", ("Tasks", "Time", "Start-up"), starts, (2,))


def by_tasks(case: CaseResult) -> dict[str, Runs]:
    """Return the runs for each number of tasks ("2 tasks")."""
    found: dict[str, Runs] = {}
    for contender in contenders(case):
        own = [series for series in case.series if series.contender == contender and series.samples]
        counts = [(re.match(r"\d+", series.subject), series.samples) for series in own]
        if runs := [(int(count.group()), samples) for count, samples in counts if count]:
            found[contender.partition(", ")[2] or contender] = sorted(runs, key=lambda entry: entry[0])
    return found


def _chart(title: str, unit: str, found: Mapping[str, Points], caption: str, width: int) -> Chart:
    colours = itertools.cycle(COLOURS)
    rows = [Line(tasks, next(colours), points) for tasks, points in found.items() if points]
    legend = {row.label: row.colour for row in rows}
    return chart(lines, title, rows, unit, "images, logarithmic", caption=caption, legend=legend, width=width)


def _totals(runs: Runs, name: str) -> Points:
    """Return the median of each run; empty if a run has no such value."""
    known = [
        (count, [one.extra[name] for one in samples if name in one.extra] if name else peaks(samples))
        for count, samples in runs
    ]
    return [(count, median(of), point_band(of)) for count, of in known] if all(of for _, of in known) else []


def _marginal(runs: Runs) -> Points:
    """Return the cost in ms of each further image.

    The errors of the two medians of each difference add up in squares; there is no band where one is unknown.
    """
    points: Points = []
    costs = [(count, [sample.cpu_s for sample in samples]) for count, samples in runs]
    for (fewer, before), (count, cost) in itertools.pairwise(costs):
        value, band = 1000 * (median(cost) - median(before)) / (count - fewer), None
        if min(len(before), len(cost)) >= MIN_ROUNDS:
            squares = sum((MEDIAN_ERROR * spread(of)) ** 2 / len(of) for of in (before, cost))
            error = STANDARD_ERRORS * 1000 * squares**0.5 / (count - fewer)
            band = (value - error, value + error)
        points.append((count, value, band))
    return points
