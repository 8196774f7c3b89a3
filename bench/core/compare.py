"""Comparison of two runs: per case and contender faster, slower or within noise. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.core.results import CaseResult, Run
from bench.core.statistics import Difference, Times, difference

CONTROLS = ("floor", "model", "sharp-tuned", "pillow")
"""Contenders that do not run our code, best first. A change of their times is drift of the machine."""


class Compared(Struct, frozen=True, kw_only=True):
    """One row. `figure` is the compared time: "CPU", or "wall" for a case without CPU times."""

    case: str
    contender: str
    figure: str
    subjects: int
    difference: Difference


def compare(before: Run, after: Run) -> Iterator[Compared]:
    """Yield a row for each contender of each case that both runs contain."""
    later = {case.case: case for case in after.cases}
    for case in before.cases:
        if case.case in later and not case.failed and not later[case.case].failed:
            yield from _case(case, later[case.case])


def not_comparable(before: Run, after: Run) -> tuple[str, ...]:
    """Return warnings about differences between the runs: machine, photos, versions."""
    warnings = []
    if before.machine != after.machine:
        warnings.append(
            f"the machines differ: {before.machine.cpu}, {before.machine.cores} cores, and {after.machine.cpu}"
        )
    if before.samples.digest != after.samples.digest:
        warnings.append("the photos differ; only photos with the same name are compared")
    both = sorted(before.versions.keys() & after.versions.keys())
    changed = [
        f"{name} {before.versions[name]} and {after.versions[name]}"
        for name in both
        if before.versions[name] != after.versions[name]
    ]
    if changed:
        warnings.append(f"versions differ: {', '.join(changed)}; a change of a control's time may not be drift")
    return tuple(warnings)


def sentence(row: Compared) -> str:
    """Return a row as a line of text."""
    of = row.difference
    if of.verdict == "too little measured":
        return f"{row.case:<12} {row.contender:<28} {row.figure:<4} too little measured: run with more rounds or photos"
    drift = f", machine drift of {of.drift:+.1%} subtracted" if of.drift else ""
    return (
        f"{row.case:<12} {row.contender:<28} {row.figure:<4} {of.verdict:<13} {of.change:+7.1%} "
        f"(noise: {of.band:.1%}; {row.subjects} subjects{drift})"
    )


def _case(before: CaseResult, after: CaseResult) -> Iterator[Compared]:
    contenders = [name for name in _names(before) if name in _names(after)]
    for contender in contenders:
        control = _control_of(contender, contenders)
        figure = "CPU"
        first, second = _times(before, contender, figure), _times(after, contender, figure)
        if not first or not second:
            figure = "wall"
            first, second = _times(before, contender, figure), _times(after, contender, figure)
        if not first or not second:
            continue  # a case without times, such as quality
        steady = None
        if control is not None:
            steady = (_times(before, control, figure), _times(after, control, figure))
        yield Compared(
            case=before.case,
            contender=contender,
            figure=figure,
            subjects=len(first.keys() & second.keys()),
            difference=difference(first, second, steady),
        )


def _control_of(contender: str, contenders: Sequence[str]) -> str | None:
    """Return the best control in the same form, such as "2 in flight", or None."""
    form = contender.partition(", ")[2]
    same_form = [f"{name}, {form}" if form else name for name in CONTROLS]
    return next((name for name in same_form if name in contenders and name != contender), None)


def _names(case: CaseResult) -> list[str]:
    return list(dict.fromkeys(series.contender for series in case.series))


def _times(case: CaseResult, contender: str, figure: str) -> Times:
    result = {}
    for series in case.series:
        if series.contender == contender:
            times = [sample.cpu_s if figure == "CPU" else sample.wall_s for sample in series.samples]
            if times and min(times) > 0:
                result[series.subject] = times
    return result
