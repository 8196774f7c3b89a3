"""What is a difference, and what is noise. Pure; `compare` and the report share it.

Times are compared as logarithms, so that ten percent are ten percent of every photo. Within a run a figure is the
median over rounds. Between runs each subject (a photo, a setting) gives one difference, paired with itself; the
verdict is about the median of these, and its band follows from their spread: 1.4826 times the median absolute
deviation estimates sigma, and the standard error of a median of n is 1.2533 sigma / sqrt(n) (both for a normal
distribution). It is no narrower than the spread over rounds makes it by the same formulas, which alone counts where
there are few subjects.

Machines drift: the same program is some percent faster tomorrow. Where both runs hold a contender that is not ours
and the same subjects, times are taken as multiples of its time in the same round; it is the experiment's control.
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
"""With fewer subjects their spread says little, and that over rounds is used."""

STANDARD_ERRORS = 3.0
"""A difference of so many standard errors is not chance: about one false alarm in 400 comparisons."""

MIN_DIFFERENCE = 0.03
"""Differences below 3 % are called noise, however steady: placement of code and data alone makes as much."""

MIN_WITHOUT_CONTROL = 0.06
"""The same without a control: from one quarter of an hour to the next the same program was 4 % faster."""

Verdict = Literal["faster", "slower", "within noise", "too little measured"]
Times = Mapping[str, Sequence[float]]
"""By subject, the seconds of each round, all above 0."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`change`: 0.10 is ten percent slower. `band`: changes smaller than this are noise. `drift`: of the control."""

    verdict: Verdict
    change: float
    band: float
    drift: float = 0.0


def spread(values: Sequence[float]) -> float:
    """Sigma, estimated robustly: 1.4826 times the median absolute deviation. 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    middle = median(values)
    return SIGMA_PER_MAD * median(abs(value - middle) for value in values)


def noise_band(seconds: Sequence[float]) -> tuple[float, float]:
    """(lowest, highest) value that the median could as well have had, from the rounds of one series."""
    middle = median(seconds)
    error = STANDARD_ERRORS * MEDIAN_ERROR * spread(seconds) / math.sqrt(len(seconds))
    return max(0.0, middle - error), middle + error


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over rounds of ours / theirs, each pair from one round; a round that one lacks is left out."""
    return median(a / b for a, b in zip(ours, theirs, strict=False))


def difference(before: Times, after: Times, control: tuple[Times, Times] | None = None) -> Difference:
    """Whether `after` is slower than `before`, over the subjects that both have; `control` is a contender that is
    the same program in both runs.
    """
    drift, least = 0.0, MIN_WITHOUT_CONTROL
    if control is not None:
        theirs = _log_changes(*control)
        steady = tuple(_beside(run, of) for run, of in zip((before, after), control, strict=True))
        if theirs.values and steady[0].keys() & steady[1].keys():
            drift, least = theirs.middle, MIN_DIFFERENCE
            before, after = steady
    change = _log_changes(before, after)
    if not change.values:
        return Difference("too little measured", 0.0, math.inf)
    if not change.known:
        return Difference("too little measured", math.expm1(change.middle), math.inf, math.expm1(drift))
    band = max(math.log1p(least), STANDARD_ERRORS * change.error)
    verdict: Verdict = "within noise" if abs(change.middle) <= band else "slower" if change.middle > 0 else "faster"
    return Difference(verdict, math.expm1(change.middle), math.expm1(band), math.expm1(drift))


@dataclass(frozen=True, slots=True)
class _Changes:
    """Logarithms of after / before by subject; `round_error` is the standard error that the rounds give."""

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
        # A handful of subjects may agree by chance: they are believed no further than their rounds are.
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


def _beside(run: Times, control: Times) -> dict[str, list[float]]:
    """Each time as a multiple of the control's in the same round, when the machine was the same."""
    return {
        subject: [value / of for value, of in zip(run[subject], control[subject], strict=False)]
        for subject in run
        if subject in control
    }
