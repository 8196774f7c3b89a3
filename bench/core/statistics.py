"""Difference or noise: the statistics of `compare` and of the report. Pure functions.

Times are compared as logarithms, so that a change of ten percent has the same weight for every photo. Within a run a
figure is the median over rounds. Between runs each subject (a photo, a setting) is paired with itself and gives one
difference. The verdict is about the median of these differences. Its noise band follows from their spread: 1.4826 times
the median absolute deviation estimates sigma, and the standard error of a median of n is 1.2533 sigma / sqrt(n) (both
for a normal distribution). The band is at least as wide as the spread over rounds implies by the same formulas. With
few subjects, only the spread over rounds counts.

Machines drift: the same program may be some percent faster on the next day. If both runs contain a contender that does
not run our code, on the same subjects, times are divided by its time in the same round. It is the experiment's control.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

SIGMA_PER_MAD = 1.4826
MEDIAN_ERROR = 1.2533
FEW_SUBJECTS = 5
"""With fewer subjects their spread is not reliable, and the spread over rounds is used."""

STANDARD_ERRORS = 3.0
"""A larger difference than this many standard errors counts: about one false alarm in 400 comparisons."""

MIN_DIFFERENCE = 0.03
"""Smaller differences count as noise, however steady they are: the placement of code and data alone causes 3 %."""

MIN_WITHOUT_CONTROL = 0.06
"""The same limit without a control: within a quarter of an hour the same program became 4 % faster."""

Verdict = Literal["faster", "slower", "within noise", "too little measured"]
Times = Mapping[str, Sequence[float]]
"""The seconds of each round by subject; all are above 0."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The result of a comparison.

    Attributes:
        verdict: The result in words.
        change: The relative change: 0.10 is ten percent slower.
        band: Smaller changes are noise.
        drift: The relative change of the control.
    """

    verdict: Verdict
    change: float
    band: float
    drift: float = 0.0


def spread(values: Sequence[float]) -> float:
    """Return a robust estimate of sigma: 1.4826 times the median absolute deviation. 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    middle = median(values)
    return SIGMA_PER_MAD * median(abs(value - middle) for value in values)


def noise_band(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the (lowest, highest) plausible median of a series, from the spread over its rounds."""
    middle = median(seconds)
    error = STANDARD_ERRORS * MEDIAN_ERROR * spread(seconds) / math.sqrt(len(seconds))
    return max(0.0, middle - error), middle + error


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of ours / theirs over the rounds that both have."""
    return median(a / b for a, b in zip(ours, theirs, strict=False))


def difference(before: Times, after: Times, control: tuple[Times, Times] | None = None) -> Difference:
    """Compare `after` with `before` over their common subjects.

    Args:
        before: Times of the first run.
        after: Times of the second run.
        control: Times of a contender that is the same program in both runs.
    """
    drift, minimum = 0.0, MIN_WITHOUT_CONTROL
    if control is not None:
        theirs = _log_changes(*control)
        steady = tuple(_multiples(run, of) for run, of in zip((before, after), control, strict=True))
        if theirs.values and steady[0].keys() & steady[1].keys():
            drift, minimum = theirs.middle, MIN_DIFFERENCE
            before, after = steady
    change = _log_changes(before, after)
    if not change.values:
        return Difference("too little measured", 0.0, math.inf)
    if not change.known:
        return Difference("too little measured", math.expm1(change.middle), math.inf, math.expm1(drift))
    band = max(math.log1p(minimum), STANDARD_ERRORS * change.error)
    verdict: Verdict = "within noise" if abs(change.middle) <= band else "slower" if change.middle > 0 else "faster"
    return Difference(verdict, math.expm1(change.middle), math.expm1(band), math.expm1(drift))


@dataclass(frozen=True, slots=True)
class _Changes:
    """Logarithms of after / before by subject. `round_error` is the standard error from the spread over rounds."""

    values: dict[str, float]
    round_error: float
    rounds_known: bool

    @property
    def middle(self) -> float:
        return median(self.values.values())

    @property
    def error(self) -> float:
        if len(self.values) < FEW_SUBJECTS:
            return self.round_error
        # A few subjects may agree by chance, so the error is at least that of their rounds.
        return max(self.round_error, MEDIAN_ERROR * spread(list(self.values.values())) / math.sqrt(len(self.values)))

    @property
    def known(self) -> bool:
        return self.rounds_known or len(self.values) >= 2 * FEW_SUBJECTS


def _log_changes(before: Times, after: Times) -> _Changes:
    values, variances, known = {}, [], True
    for subject in before:
        if not (before[subject] and after.get(subject)):
            continue
        first, second = ([math.log(value) for value in run[subject]] for run in (before, after))
        values[subject] = median(second) - median(first)
        known = known and min(len(first), len(second)) >= 3
        variances.append(sum((MEDIAN_ERROR * spread(run)) ** 2 / len(run) for run in (first, second)))
    error = math.sqrt(sum(variances)) / len(variances) if variances else 0.0
    return _Changes(values, error, known)


def _multiples(run: Times, control: Times) -> dict[str, list[float]]:
    """Return each time divided by the control's time in the same round."""
    return {
        subject: [value / of for value, of in zip(run[subject], control[subject], strict=False)]
        for subject in run
        if subject in control
    }
