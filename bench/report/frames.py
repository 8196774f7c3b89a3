"""What a frame asks for, beside a bare server: requests a second and how long the slowest wait."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.core.results import CaseResult, Run
from bench.report.bars import Bar, bars
from bench.report.html import Markup, figure

_KINDS = (
    ("requests a second", "Requests a second at 32 connections", "", "Medians of the rounds; more is better."),
    ("p99_ms", "The slowest hundredth of the answers", "ms", "Medians of the rounds; less is better."),
)


def frames(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Bars of each kind of request, the bare server first."""
    for kind, title, unit, words in _KINDS:
        found = {name.rpartition(": ")[0]: value for name, value in case.facts.items() if name.endswith(f": {kind}")}
        floor = {one.subject for one in case.series if one.contender == "floor"}
        rows = [Bar(label=name, value=value, look="wait" if name in floor else "ours") for name, value in found.items()]
        if rows:
            yield figure(title, partial(bars, title, rows, unit), words)
