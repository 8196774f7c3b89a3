"""Compute what the charts show from the series of a case: medians, noise bands, limits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from statistics import median

from bench.core.results import CaseResult, Sample, Series
from bench.core.statistics import MEDIAN_ERROR, STANDARD_ERRORS, Times, noise_band, spread
from bench.report.charts import Band, Bar, Limit

MIN_ROUNDS = 3
"""Below this number of rounds there is no noise band."""

CONTENDERS = {
    "ours": ("ours", "tab:blue"),
    "floor": ("floor", "tab:gray"),
    "floor-turbo": ("floor, libjpeg-turbo", "darkgray"),
    "model": ("the model's way", "tab:orange"),
    "sharp-tuned": ("sharp tuned", "goldenrod"),
    "pillow": ("Pillow", "tab:purple"),
    "imagemagick": ("ImageMagick", "tab:pink"),
}
"""The printed name and the colour of each contender."""

CPU_FACT = "{}: CPU ms an image, median"
"""The name of the fact of the case `image` with a contender's CPU time."""


Value = Callable[[Sample], float]
CPU: Value = attrgetter("cpu_s")
WALL: Value = attrgetter("wall_s")


def extra(name: str) -> Value:
    """Return the function that reads a value of the case's own; NaN where it is missing."""
    return lambda sample: sample.extra.get(name, math.nan)


def name_of(contender: str) -> str:
    """Return the printed name of a contender or of a form of it, such as "ours, 2 in flight"."""
    head, comma, form = contender.partition(", ")
    return CONTENDERS.get(head, (head,))[0] + comma + form


def colour_of(contender: str) -> str:
    """Return the colour of a contender or of a form of it."""
    return CONTENDERS.get(contender.partition(",")[0], ("", "tab:gray"))[1]


def contenders(case: CaseResult) -> list[str]:
    """Return the contenders in the order of the case."""
    return list(dict.fromkeys(series.contender for series in case.series))


def peaks(samples: Sequence[Sample]) -> list[float]:
    """Return the peak memory of the samples that have it, in MB."""
    return [sample.peak_rss_mb for sample in samples if sample.peak_rss_mb is not None]


def times(series: Sequence[Series], contender: str, value: Value) -> dict[str, list[float]]:
    """Return by subject the value of each round; leave out subjects where a round's value is unknown or 0."""
    found = {one.subject: [value(sample) for sample in one.samples] for one in series if one.contender == contender}
    return {subject: rounds for subject, rounds in found.items() if rounds and all(value > 0 for value in rounds)}


def overall_median(of: Times) -> float:
    """Return the median over subjects of the median over rounds."""
    return median(median(rounds) for rounds in of.values())


def band(of: Times, value: float) -> Band:
    """Return the lowest and highest plausible value of `value`, an overall median; None with too few rounds.

    The band is three standard errors, in the logarithm, from the spread over rounds.
    Subjects are independent: the errors of n medians add up in squares, and are divided by n (`bench.core.statistics`).
    """
    if not of or min(len(rounds) for rounds in of.values()) < MIN_ROUNDS:
        return None
    logs = [[math.log(value) for value in rounds] for rounds in of.values()]
    errors = [(MEDIAN_ERROR * spread(rounds)) ** 2 / len(rounds) for rounds in logs]
    factor = math.exp(STANDARD_ERRORS * math.sqrt(sum(errors)) / len(errors))
    return value / factor, value * factor


def point_band(values: Sequence[float], factor: float = 1.0) -> Band:
    """Return the noise band of the median of one series, times `factor`; None with too few rounds."""
    if len(values) < MIN_ROUNDS:
        return None
    low, high = noise_band(values)
    return factor * low, factor * high


def contender_bars(case: CaseResult, value: Value, factor: float = 1.0) -> list[Bar]:
    """Return a bar for each contender with its overall median times `factor`, in the order of the case."""
    found = []
    for contender in contenders(case):
        if of := times(case.series, contender, value):
            middle = factor * overall_median(of)
            label, colour = name_of(contender), colour_of(contender)
            found.append(Bar(label, middle, colour, band(of, middle)))
    return found


def limit_of(case: CaseResult, beginning: str, factor: float = 1.0) -> tuple[Limit, ...]:
    """Return the limit of the first check whose name starts with `beginning`, times `factor`.

    Empty if there is no such check, or if its limit is not a number.
    """
    for check in case.checks:
        found = re.search(r"\d+(?:\.\d+)?", check.limit)
        if check.name.startswith(beginning) and found:
            return (Limit(factor * float(found.group()), check.limit),)
    return ()


def large_jpegs(case: CaseResult) -> tuple[Series, ...]:
    """Return the series of JPEG photos of 8 MP and more, which the checks of the case `image` count.

    Return all series if there is no such photo.
    """
    sizes = ((series, re.search(r"JPEG, (\d+) MP", series.group)) for series in case.series)
    return tuple(series for series, size in sizes if size and int(size.group(1)) >= 8) or case.series
