"""Running cases one after the other, and keeping what they found."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.cases import load_case
from bench.core import machine
from bench.core.context import Context
from bench.core.results import CaseFailed, CaseResult, Run
from bench.core.samples import Photo, sample_set

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""Where runs are kept."""


def run_cases(
    names: Sequence[str],
    photos: tuple[Photo, ...],
    *,
    kind: str,
    rounds: int,
    contenders: frozenset[str] | None,
    seed: int,
    planted: float,
    say: Callable[[str], None],
) -> Run:
    """Run the named cases over `photos`; a case that fails says so in its result, and the next one begins."""
    started = datetime.now(UTC)
    commit, dirty = machine.commit()
    results = []
    for number, name in enumerate(names, 1):
        say(f"case {number} of {len(names)}: {name}")
        results.append(_run_case(name, photos, rounds, contenders, seed, planted, say))
    versions = machine.versions()
    for result in results:
        versions |= result.versions
    return Run(
        started=started.isoformat(timespec="seconds"),
        commit=commit,
        dirty=dirty,
        machine=machine.machine(),
        versions=versions,
        settings={
            "rounds": str(rounds),
            "seed": str(seed),
            **({"planted slowdown of ours": f"{planted:.0%}"} if planted else {}),
            "contenders": "all" if contenders is None else ", ".join(sorted(contenders)),
        },
        samples=sample_set(photos, kind),
        cases=tuple(results),
    )


def _run_case(
    name: str,
    photos: tuple[Photo, ...],
    rounds: int,
    contenders: frozenset[str] | None,
    seed: int,
    planted: float,
    say: Callable[[str], None],
) -> CaseResult:
    scratch = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    context = Context(
        photos=photos,
        rounds=rounds,
        scratch=scratch,
        say=say,
        contenders=contenders,
        seed=seed,
        planted=planted,
    )
    begin = time.monotonic()
    try:
        result = load_case(name).run(context)
    except CaseFailed as error:
        say(f"{name} failed: {error}")
        result = CaseResult(case=name, failed=str(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - begin, 1))


def place_for(run: Run, folder: Path = RESULTS) -> Path:
    """Where a run is kept unless told otherwise: by date and commit, and by a number where that is taken."""
    name = f"{run.started[:10]}-{run.commit}{'-changed' if run.dirty else ''}"
    path, number = folder / f"{name}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.json"
    return path
