"""The section about growth: what an image costs when there are more of them, a line for each number of tasks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

from bench.core.results import CaseResult, Run, Sample
from bench.core.statistics import MEDIAN_ERROR, STANDARD_ERRORS, spread
from bench.report.drawing import number
from bench.report.figures import MIN_ROUNDS, contenders, extra, point_band
from bench.report.html import HALF, WIDE, Markup, figure, pairs, table
from bench.report.lines import Axes, Line, lines

LOOKS = ("one", "two", "four", "other")
"""The colours of lines, from the fewest tasks to the most."""

PANELS = (
    ("cpu_ms_per_image", "CPU of an image, start-up included", "CPU ms an image"),
    ("wall_ms_per_image", "Time of an image, start-up included", "wall ms an image"),
    ("database_cpu_ms_per_image", "The database's part of the CPU", "CPU ms an image"),
)


def growth(case: CaseResult, run: Run) -> Iterator[Markup]:
    """The marginal cost first: it is what must stay flat."""
    found = by_tasks(case)
    marginal = [
        Line(label=label, look=look, points=tuple(points), bands=tuple(_marginal_bands(runs)))
        for (label, runs), look in zip(found.items(), itertools.cycle(LOOKS), strict=False)
        if (points := _marginal(runs))
    ]
    caption = (
        "Marginal: what each further image costs, from the next smaller number on; start-up drops out. "
        "Bands: three standard errors, where three rounds were measured."
    )
    yield from _panel("Marginal CPU of an image", "CPU ms an image", marginal, caption)
    yield pairs(_panels(found))
    starts = [
        (name.partition("_start_up_s, ")[2], "CPU" if name.startswith("cpu") else "wall", f"{number(1000 * value)} ms")
        for name, value in case.facts.items()
        if "_start_up_s, " in name
    ]
    if starts:
        yield Markup("<h3>Start-up, apart</h3>")
        yield table(("Tasks", "Figure", "Start-up"), starts, (2,), "few")


def _panels(found: dict[str, list[tuple[int, Sequence[Sample]]]]) -> Iterator[Markup]:
    for name, title, unit in PANELS:
        rows = [
            Line(
                label=label,
                look=look,
                points=tuple((count, median(_values(samples, name))) for count, samples in runs),
                bands=tuple(point_band(_values(samples, name)) for _, samples in runs),
            )
            for (label, runs), look in zip(found.items(), itertools.cycle(LOOKS), strict=False)
            if all(_values(samples, name) for _, samples in runs)
        ]
        yield from _panel(title, unit, rows, "", HALF)
    peaks = [
        Line(
            label=label,
            look=look,
            points=tuple((count, median(_peaks(samples))) for count, samples in runs),
            bands=tuple(point_band(_peaks(samples)) for _, samples in runs),
        )
        for (label, runs), look in zip(found.items(), itertools.cycle(LOOKS), strict=False)
        if all(_peaks(samples) for _, samples in runs)
    ]
    yield from _panel("Largest memory of a task", "MB", peaks, "", HALF)


def by_tasks(case: CaseResult) -> dict[str, list[tuple[int, Sequence[Sample]]]]:
    """For each number of tasks ("2 tasks"), (images, samples) by the number of images, ascending."""
    found: dict[str, list[tuple[int, Sequence[Sample]]]] = {}
    for contender in contenders(case):
        runs = []
        for one in case.series:
            count = re.match(r"\d+", one.subject)
            if one.contender == contender and count and one.samples:
                runs.append((int(count.group()), one.samples))
        if runs:
            found[contender.partition(", ")[2] or contender] = sorted(runs, key=lambda entry: entry[0])
    return found


def _panel(title: str, unit: str, rows: list[Line], caption: str, wide: float = WIDE) -> Iterator[Markup]:
    if rows:
        at = tuple(sorted({x for row in rows for x, _ in row.points}))
        axes = Axes(x="images, logarithmic", y=unit, at=at, height=180.0)
        yield figure(title, partial(lines, title, rows, axes), caption, wide=wide)


def _marginal(runs: Sequence[tuple[int, Sequence[Sample]]]) -> list[tuple[float, float]]:
    costs = [(count, median(sample.cpu_s for sample in samples)) for count, samples in runs]
    return [
        (count, 1000 * (cost - before) / (count - fewer))
        for (fewer, before), (count, cost) in itertools.pairwise(costs)
    ]


def _marginal_bands(runs: Sequence[tuple[int, Sequence[Sample]]]) -> list[tuple[float, float] | None]:
    """The errors of the two medians of each difference, added in squares; None where one of them is not known."""
    bands: list[tuple[float, float] | None] = []
    for ((fewer, first), (count, second)), (_, value) in zip(itertools.pairwise(runs), _marginal(runs), strict=True):
        if min(len(first), len(second)) < MIN_ROUNDS:
            bands.append(None)
            continue
        squares = sum((MEDIAN_ERROR * spread([s.cpu_s for s in of])) ** 2 / len(of) for of in (first, second))
        error = STANDARD_ERRORS * 1000 * squares**0.5 / (count - fewer)
        bands.append((value - error, value + error))
    return bands


def _values(samples: Sequence[Sample], name: str) -> list[float]:
    return [value for sample in samples if (value := extra(name)(sample)) == value]


def _peaks(samples: Sequence[Sample]) -> list[float]:
    return [sample.peak_rss_mb for sample in samples if sample.peak_rss_mb is not None]
