"""A short broken run of the whole system; `make chaos` is the long one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.__main__ import IN_MEMORY, summary
from tests.faults.checks import Verdict
from tests.faults.events import drawn
from tests.faults.run import Case, Result, run


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory: what dies are processes, and the disk of a busy machine would be most of the time."""
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=IN_MEMORY) as made:
        yield Path(made)


def check(result: Result, log: Path) -> None:
    assert result.verdict.good, "\n".join([*result.verdict.details(), log.read_text()[-4000:]])
    assert result.executions
    assert result.network


@pytest.mark.server
def test_a_short_broken_run_loses_nothing(folder: Path) -> None:
    case = Case(seed=7, images=30, most_tasks=2, network_faults=0.2, bucket_faults=0.05, still_seconds=60)
    kinds = {event.kind for event in drawn(case.seed, case.images)}
    assert {"kill task", "kill backend", "clock"} <= kinds
    check(run(case, folder), folder / "data.log")


@pytest.mark.server
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [101, 102])
def test_a_broken_run_loses_nothing(folder: Path, seed: int) -> None:
    check(run(Case(seed=seed), folder), folder / "data.log")


def test_a_seed_draws_the_same_events_and_another_one_others() -> None:
    assert drawn(5, 300) == drawn(5, 300)
    assert drawn(5, 300) != drawn(6, 300)
    assert sum(event.kind == "kill task" for event in drawn(5, 300)) >= 6


def test_whatever_is_wrong_is_counted_in_the_last_line() -> None:
    wrong = Verdict(lost=("a", "b"), stuck=("c",), twice=("d, 2 times",) * 3, failed=("e",), differences=("f",) * 4)
    result = Result(case=Case(seed=1), verdict=wrong, events=(), executions=0, network={}, suspects=0, seconds=1.0)
    assert not wrong.good
    assert summary([result]).splitlines() == [
        "1 photos failed that should not have, 4 differences between bucket and database",
        "1 seeds: 2 lost, 1 stuck, 3 twice",
    ]
    assert len(list(wrong.details())) == 11
