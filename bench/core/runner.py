"""Runs cases one after the other, and collects their results. `Case` and `Context` are the interface of a case."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from bench.core import machine
from bench.core.results import CaseFailed, CaseResult, Run
from bench.core.samples import Photo, sample_set

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""The folder of saved runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The input of a case.

    Attributes:
        photos: The samples by name, in any format.
        rounds: How often each contender is measured.
        scratch: An empty folder for this case.
        say: Shows a line of progress.
        contenders: The selected contenders, or None for all.
        seed: Seed of generated photos.
        slowdown: A synthetic slowdown of the contender "ours" (0.1 = 10 %), to check that `compare` detects it.
    """

    photos: tuple[Photo, ...]
    rounds: int
    scratch: Path
    report: Callable[[str], None]
    contenders: frozenset[str] | None = None
    seed: int = 0
    slowdown: float = 0.0

    def selects(self, contender: str) -> bool:
        """Return True if the contender takes part."""
        return self.contenders is None or contender in self.contenders


class Case(Protocol):
    """The content of a case's module."""

    NAME: str
    SUMMARY: str

    def run(self, context: Context) -> CaseResult:
        """Measure. Raises CaseFailed if nothing can be measured."""


def run_cases(
    cases: Sequence[Case],
    photos: tuple[Photo, ...],
    *,
    kind: str,
    rounds: int,
    contenders: frozenset[str] | None,
    seed: int,
    slowdown: float,
    report: Callable[[str], None],
) -> Run:
    """Run all cases over `photos`. The result of a case that fails contains the reason, and the next case runs."""
    started = datetime.now(UTC)
    commit, dirty = machine.commit()
    versions = machine.versions()
    results = []
    for number, case in enumerate(cases, 1):
        report(f"case {number} of {len(cases)}: {case.NAME}")
        scratch = Path(tempfile.mkdtemp(prefix=f"bench-{case.NAME}-"))
        context = Context(
            photos=photos,
            rounds=rounds,
            scratch=scratch,
            report=report,
            contenders=contenders,
            seed=seed,
            slowdown=slowdown,
        )
        try:
            results.append(_run_case(case, context))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        versions |= results[-1].versions
    return Run(
        started=started.isoformat(timespec="seconds"),
        commit=commit,
        dirty=dirty,
        machine=machine.machine(),
        versions=versions,
        settings={
            "rounds": str(rounds),
            "seed": str(seed),
            **({"synthetic slowdown of ours": f"{slowdown:.0%}"} if slowdown else {}),
            "contenders": "all" if contenders is None else ", ".join(sorted(contenders)),
        },
        samples=sample_set(photos, kind),
        cases=tuple(results),
    )


def _run_case(case: Case, context: Context) -> CaseResult:
    begin = time.monotonic()
    try:
        result = case.run(context)
    except CaseFailed as error:
        context.report(f"{case.NAME} failed: {error}")
        result = CaseResult(case=case.NAME, failed=str(error))
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - begin, 1))


def place_for(run: Run, folder: Path = RESULTS) -> Path:
    """Return an unused path for a run: its date and commit, with a number if that name is taken."""
    name = f"{run.started[:10]}-{run.commit}{'-changed' if run.dirty else ''}"
    path, number = folder / f"{name}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.json"
    return path
