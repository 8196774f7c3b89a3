"""The cases, in the order in which they run. A case is a module of this folder and its line here.

It has `NAME`, `SUMMARY` (one line) and `run(context) -> CaseResult`. Modules are imported when they are asked for,
so that one case does not carry the imports of all the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from bench.core.context import Context
from bench.core.results import CaseResult

ALL: tuple[str, ...] = ("image", "throughput", "quality", "colours", "start", "target", "memory", "growth", "frames")
"""What `python -m bench run` runs without names."""

APART: tuple[str, ...] = ("download",)
"""Those that run only when they are named, because they take long or change nothing for most readers."""


class Case(Protocol):
    """The shape of a case's module."""

    NAME: str
    SUMMARY: str

    def run(self, context: Context) -> CaseResult:
        """Measure, and say what was found."""


def load_case(name: str) -> Case:
    """The module of a case. Raises KeyError for a name that is in neither list."""
    if name not in (*ALL, *APART):
        raise KeyError(name)
    return cast(Case, import_module(f"bench.cases.{name}"))
