"""The list of cases. A case is a module of this folder and its name below.

It has `NAME`, `SUMMARY` (one line) and `run(context) -> CaseResult`, see `bench.core.runner.Case`. A module is imported
when its case runs, so that one case does not load the imports of the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from bench.core.runner import Case

ALL: tuple[str, ...] = ("image", "throughput", "quality", "colours", "start", "target", "memory", "growth", "frames")
"""The cases that `python -m bench run` runs by default, in this order."""

APART: tuple[str, ...] = ("download", "dithering")
"""Cases that run only when they are named, because they take long or matter to few readers."""


def load_case(name: str) -> Case:
    """Return the module of a case. Raises KeyError for a name that is in neither list."""
    if name not in (*ALL, *APART):
        raise KeyError(name)
    return cast(Case, import_module(f"bench.cases.{name}"))
