"""A short fault-injection run of the complete system; `make chaos` is the long one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.__main__ import IN_MEMORY, summary
from tests.faults.checks import CheckResult
from tests.faults.events import draw_events
from tests.faults.run import Case, Result, run


@pytest.fixture
def folder() -> Iterator[Path]:
    """Create a folder in memory: only processes are killed, and a busy disk would take most of the time."""
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=IN_MEMORY) as name:
        yield Path(name)


def check(result: Result, log: Path) -> None:
    assert result.checks.passed, "\n".join([*result.checks.details(), log.read_text()[-4000:]])
    assert result.executions
    assert result.network


@pytest.mark.server
def test_short_run_under_faults_loses_nothing(folder: Path) -> None:
    case = Case(seed=7, images=30, max_tasks=2, network_faults=0.2, bucket_faults=0.05, still_seconds=60)
    kinds = {event.kind for event in draw_events(case.seed, case.images)}
    assert {"kill task", "kill backend", "clock"} <= kinds
    check(run(case, folder), folder / "data.log")


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [101, 102])
def test_run_under_faults_loses_nothing(folder: Path, seed: int) -> None:
    check(run(Case(seed=seed), folder), folder / "data.log")


def test_draw_events_depends_on_the_seed_only() -> None:
    assert draw_events(5, 300) == draw_events(5, 300)
    assert draw_events(5, 300) != draw_events(6, 300)
    assert sum(event.kind == "kill task" for event in draw_events(5, 300)) >= 6


def test_summary_counts_every_error() -> None:
    wrong = CheckResult(lost=("a", "b"), stuck=("c",), twice=("d, 2 times",) * 3, failed=("e",), differences=("f",) * 4)
    result = Result(case=Case(seed=1), checks=wrong, events=(), executions=0, network={}, retried=0, seconds=1.0)
    assert not wrong.passed
    assert summary([result]).splitlines() == [
        "1 photos failed that should not have, 4 differences between bucket and database",
        "1 seeds: 2 lost, 1 stuck, 3 twice",
    ]
    assert len(list(wrong.details())) == 11
