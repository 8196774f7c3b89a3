"""From a case's series to the figures of a plot: medians, noise bands, limits. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from statistics import median

from bench.core.results import CaseResult, Sample, Series
from bench.core.statistics import MEDIAN_ERROR, STANDARD_ERRORS, Times, noise_band, spread
from bench.report.bars import Limit

MIN_ROUNDS = 3
"""Rounds below which nothing is said about noise."""

LOOKS = ("floor-turbo", "sharp-tuned", "floor", "model", "pillow", "imagemagick", "ours")
NAMES = {
    "ours": "ours",
    "floor": "floor",
    "floor-turbo": "floor, libjpeg-turbo",
    "model": "the model's way",
    "sharp-tuned": "sharp tuned",
    "pillow": "Pillow",
    "imagemagick": "ImageMagick",
}
Figure = Callable[[Sample], float]


def cpu(sample: Sample) -> float:
    """CPU seconds."""
    return sample.cpu_s


def wall(sample: Sample) -> float:
    """Wall seconds."""
    return sample.wall_s


def extra(name: str) -> Figure:
    """A figure of the case's own; NaN where a sample lacks it."""
    return lambda sample: sample.extra.get(name, math.nan)


def look_of(contender: str) -> str:
    """The colour of a contender or of a form of it."""
    return next((look for look in LOOKS if contender == look or contender.startswith(f"{look},")), "other")


def name_of(contender: str) -> str:
    """What the report calls it."""
    head, comma, form = contender.partition(", ")
    return NAMES.get(head, head) + comma + form


def contenders(case: CaseResult) -> list[str]:
    """In the order of the case."""
    return list(dict.fromkeys(series.contender for series in case.series))


def times(series: Sequence[Series], contender: str, figure: Figure) -> dict[str, list[float]]:
    """By subject, the figure of each round, where it is known and above 0."""
    found = {}
    for one in series:
        values = [figure(sample) for sample in one.samples]
        if one.contender == contender and values and all(value > 0 for value in values):
            found[one.subject] = values
    return found


def middle(of: Times) -> float:
    """The median over subjects of the median over rounds."""
    return median(median(rounds) for rounds in of.values())


def relative_band(of: Times) -> float | None:
    """Three standard errors of `middle` as a logarithm, from the spread over rounds; None with too few rounds.

    Subjects are independent: the errors of n medians add up in squares, and are divided by n (`bench.core.statistics`).
    """
    if not of or min(len(rounds) for rounds in of.values()) < MIN_ROUNDS:
        return None
    errors = [
        (MEDIAN_ERROR * spread([math.log(value) for value in rounds])) ** 2 / len(rounds) for rounds in of.values()
    ]
    return STANDARD_ERRORS * math.sqrt(sum(errors)) / len(errors)


def band(of: Times, value: float) -> tuple[float, float] | None:
    """(lowest, highest) that `value`, a median of these, could as well have been."""
    error = relative_band(of)
    return None if error is None else (value * math.exp(-error), value * math.exp(error))


def point_band(values: Sequence[float]) -> tuple[float, float] | None:
    """The same for one series."""
    return noise_band(values) if len(values) >= MIN_ROUNDS else None


def limit_of(case: CaseResult, beginning: str) -> tuple[Limit, ...]:
    """The limit of the first check whose name begins so, as a line of a plot; none if it is not a number."""
    for check in case.checks:
        found = re.search(r"\d+(?:\.\d+)?", check.limit)
        if check.name.startswith(beginning) and found:
            return (Limit(float(found.group()), check.limit),)
    return ()


def large_jpegs(case: CaseResult) -> tuple[Series, ...]:
    """The series that the promises of the case `image` count, by their group; all where there is none."""
    found = []
    for series in case.series:
        size = re.search(r"JPEG, (\d+) MP", series.group)
        if size and int(size.group(1)) >= 8:
            found.append(series)
    return tuple(found) or case.series
