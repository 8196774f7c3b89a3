"""The decisions of a task: claim, wait or stop."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.task.claim_policy import (
    DRY_SECONDS,
    MAX_WAIT_SECONDS,
    Claim,
    Stop,
    TaskState,
    Wait,
    claim_limit,
    next_step,
    pause_after,
    seconds_to_finish,
)


def state(**changed: object) -> TaskState:
    """Return the state of a task with two render threads and plenty of time, which has just started."""
    values: dict[str, object] = {"seconds_left": 800.0, "timeout_seconds": 900.0, "threads": 2, **changed}
    return TaskState(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, Claim(4), id="starts with a small batch"),
        pytest.param({"under_way": 4, "idle": False}, Claim(4), id="refills while images are in progress"),
        pytest.param({"under_way": 5, "idle": False}, Claim(3), id="claims only what fits"),
        pytest.param({"under_way": 7, "idle": False}, Wait(MAX_WAIT_SECONDS), id="has enough images"),
        pytest.param(
            {"under_way": 7, "idle": False, "quiet_seconds": 0.2},
            Wait(MAX_WAIT_SECONDS),
            id="has enough images, so the end of the pause changes nothing",
        ),
        pytest.param(
            {"under_way": 2, "idle": False, "dry": True, "quiet_seconds": 0.3},
            Wait(0.3),
            id="pauses after an empty claim",
        ),
        pytest.param({"under_way": 2, "idle": False, "dry": True}, Claim(4), id="claims again after the pause"),
        pytest.param(
            {"idle": False, "dry": True, "quiet_seconds": 0.3, "finished": 5},
            Wait(0.3),
            id="pauses while the last image waits for the response to its report",
        ),
        pytest.param(
            {"dry": True, "quiet_seconds": 0.3, "finished": 5}, Claim(4), id="claims at once after the last image"
        ),
        pytest.param({"dry": True, "empty_idle_claims": 1, "finished": 5}, Stop("no images are left"), id="has worked"),
        pytest.param(
            {"dry": True, "empty_idle_claims": 1, "quiet_seconds": DRY_SECONDS},
            Wait(DRY_SECONDS),
            id="finds nothing at first",
        ),
        pytest.param({"dry": True, "empty_idle_claims": 1}, Claim(4), id="claims twice before it stops"),
        pytest.param({"dry": True, "empty_idle_claims": 2}, Stop("no images are left"), id="finds nothing twice"),
        pytest.param(
            {"finished": 3, "transient_errors": 3, "quiet_seconds": 0.8}, Wait(0.8), id="pauses after transient errors"
        ),
        pytest.param(
            {"finished": 3, "transient_errors": 9, "quiet_seconds": 5.0},
            Wait(MAX_WAIT_SECONDS),
            id="looks again at least every second",
        ),
        pytest.param(
            {"dry": True, "empty_idle_claims": 1, "finished": 3, "transient_errors": 1},
            Claim(4),
            id="claims twice after a transient error",
        ),
        pytest.param({"ending": True}, Stop("the task is ending"), id="ends"),
        pytest.param({"ending": True, "under_way": 3, "idle": False}, Stop("the task is ending"), id="ends with work"),
        pytest.param({"seconds_left": 45.1}, Claim(4), id="has time"),
        pytest.param(
            {"seconds_left": 45.0}, Stop("time is nearly up (TASK_TIMEOUT_SECONDS)"), id="needs its time to finish"
        ),
        pytest.param(
            {"seconds_left": 3.0, "timeout_seconds": 9.0},
            Stop("time is nearly up (TASK_TIMEOUT_SECONDS)"),
            id="has a short time limit",
        ),
    ],
)
def test_next_step_follows_the_table(changed: dict[str, object], expected: Claim | Wait | Stop) -> None:
    assert next_step(state(**changed)) == expected


@given(
    under_way=st.integers(0, 40),
    extra=st.integers(0, 5),
    finished=st.integers(0, 3),
    transient_errors=st.integers(0, 3),
    quiet_seconds=st.floats(-1, 10),
    dry=st.booleans(),
    empty_idle_claims=st.integers(0, 3),
    threads=st.integers(1, 16),
)
def test_next_step_never_spins_or_sleeps_long(under_way: int, extra: int, **changed: object) -> None:
    step = next_step(state(under_way=under_way, idle=under_way + extra == 0, **changed))
    if isinstance(step, Wait):
        assert 0 < step.seconds <= MAX_WAIT_SECONDS
    elif isinstance(step, Claim):
        assert 1 <= step.limit <= 50
    else:
        assert changed["empty_idle_claims"]


@given(under_way=st.integers(0, 300), threads=st.integers(1, 64))
def test_claim_limit_bounds_the_images_in_progress(under_way: int, threads: int) -> None:
    limit = claim_limit(under_way, threads)
    assert 0 <= limit <= min(2 * threads, 50)
    if limit:
        assert under_way + limit <= 2 * threads + 4
    if under_way <= threads:
        assert limit > 0  # refilled before it runs dry


def test_pause_after_grows_up_to_five_seconds() -> None:
    pauses = [pause_after(errors) for errors in range(12)]
    assert all(shorter <= longer for shorter, longer in itertools.pairwise(pauses))
    assert (pauses[0], pauses[1], pauses[-1]) == (0.0, 0.2, 5.0)


@pytest.mark.parametrize(("timeout", "expected"), [(900, 45), (9, 3)])
def test_seconds_to_finish_is_a_third_of_a_short_timeout(timeout: float, expected: float) -> None:
    assert seconds_to_finish(timeout) == expected
