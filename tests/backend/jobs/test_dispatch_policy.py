"""When an execution is due, and how large it is: a table, and what holds for every input."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.jobs.dispatch_policy import MAX_BACKOFF_SECONDS, RESTART_BACKOFF_SECONDS, Decision, QueueFacts, decide
from backend.jobs.runner import RunnerProfile

CLOUD = RunnerProfile(worthwhile_seconds=60.0, max_tasks=10, billed_seconds=60.0)
QUICK = RunnerProfile(worthwhile_seconds=15.0, max_tasks=10, billed_seconds=60.0, prefers_latency=True)
LOCAL = RunnerProfile(worthwhile_seconds=4.0, max_tasks=2, prefers_latency=True)
NOW = 10_000.0
PHOTO = 10.0
"""Megapixels of each photo of these tests, of which a task does two in a second."""
RATE = 0.05


def decided(
    pending: int, waited: float, *, profile: RunnerProfile = CLOUD, forced: bool = False, **more: Any
) -> Decision:
    """The decision with the default settings: batches of 50, 30 s."""
    more = {"pending_megapixels": pending * PHOTO, "seconds_per_megapixel": RATE, **more}
    facts = QueueFacts(pending=pending, first_pending_at=NOW - waited, **more)
    return decide(facts, NOW, batch_size=50, flush_delay=30.0, profile=profile, forced=forced)


@pytest.mark.parametrize(
    ("pending", "waited", "cloud_tasks", "quick_tasks", "local_tasks"),
    [
        (1, 0, 0, 0, 0),
        (1, 29.9, 0, 0, 0),
        (1, 30, 1, 1, 1),
        (49, 1, 0, 0, 0),
        (50, 0, 1, 2, 2),  # 25 s of work: one billed minute holds it
        (120, 0, 1, 4, 2),
        (239, 0, 1, 8, 2),  # a second task would be paid for a second minute that the work does not fill
        (240, 0, 2, 8, 2),
        (500, 0, 4, 10, 2),
        (5000, 0, 10, 10, 2),
        (5000, 99_999, 10, 10, 2),
    ],
)
def test_decide_starts_the_expected_tasks(
    pending: int, waited: float, cloud_tasks: int, quick_tasks: int, local_tasks: int
) -> None:
    assert decided(pending, waited).tasks == cloud_tasks
    assert decided(pending, waited, profile=QUICK).tasks == quick_tasks
    assert decided(pending, waited, profile=LOCAL).tasks == local_tasks


@pytest.mark.parametrize(("megapixels", "tasks"), [(2.0, 1), (8.0, 1), (12.0, 2), (24.0, 4), (100.0, 10)])
def test_decide_counts_pixels_and_not_photos(megapixels: float, tasks: int) -> None:
    assert decided(200, 0, pending_megapixels=200 * megapixels).tasks == tasks


@pytest.mark.parametrize(("rate", "tasks"), [(0.001, 1), (0.05, 4), (0.1, 8), (10.0, 10)])
def test_decide_uses_the_measured_rate(rate: float, tasks: int) -> None:
    assert decided(500, 0, seconds_per_megapixel=rate).tasks == tasks


def test_decide_starts_at_most_one_task_per_photo() -> None:
    assert decided(3, 30, pending_megapixels=1e6).tasks == 3
    assert decided(3, 30, pending_megapixels=1e6, profile=QUICK).tasks == 3
    assert decided(1, 30, pending_megapixels=0.0).tasks == 1


def test_decide_nothing_pending_is_never_due() -> None:
    for first in (None, NOW):
        facts = QueueFacts(pending=0, pending_megapixels=0.0, in_work_megapixels=70.0, first_pending_at=first)
        decision = decide(facts, NOW, batch_size=1, flush_delay=0.001, profile=CLOUD, forced=True)
        assert (decision.tasks, decision.reason) == (0, "nothing is pending")


def test_decide_forced_starts_at_once() -> None:
    decision = decided(1, 0, forced=True)
    assert (decision.tasks, decision.images, decision.reason) == (1, 1, "on request")


def test_decide_reason_contains_count_and_waiting_time() -> None:
    assert decided(7, 12).reason == "7 of 50 gathered, the first 12 s ago"
    assert decided(60, 12).reason == "60 pending, the first 12 s ago"


@pytest.mark.parametrize(
    ("failures", "since", "due"),
    [
        (1, 0, False),
        (1, RESTART_BACKOFF_SECONDS - 0.1, False),
        (1, RESTART_BACKOFF_SECONDS, True),
        (2, RESTART_BACKOFF_SECONDS, False),
        (2, 2 * RESTART_BACKOFF_SECONDS, True),
        (10, MAX_BACKOFF_SECONDS - 1, False),
        (10, MAX_BACKOFF_SECONDS, True),
        (500, MAX_BACKOFF_SECONDS, True),
        (3, -3600, True),  # the clock was set back by an hour
    ],
)
def test_decide_after_failures_backs_off(failures: int, since: float, due: bool) -> None:
    for forced in (False, True):
        decision = decided(50, 0, failures=failures, last_failure_at=NOW - since, forced=forced)
        assert (decision.tasks > 0) == due
        assert due or "executions failed" in decision.reason


def test_decide_after_the_clock_was_set_back_starts_in_time() -> None:
    assert decided(1, -3600).tasks == 1
    assert decided(1, -3).tasks == 0, "two clocks may differ by a little"


def test_decide_leaves_work_to_running_tasks() -> None:
    enough = decided(60, 40, running_task_seconds=60 * PHOTO * RATE)
    assert (enough.tasks, enough.reason) == (0, "running tasks will take the 60 pending images")
    busy = decided(60, 40, running_task_seconds=60 * PHOTO * RATE, in_work_megapixels=20 * PHOTO)
    assert (busy.tasks, busy.images) == (1, 20)
    overdue = decided(60, 40, running_task_seconds=0.0, in_work_megapixels=20 * PHOTO)
    assert (overdue.tasks, overdue.images) == (1, 60), "what is in work does not make work"


@pytest.mark.parametrize(("live", "tasks"), [(0, 10), (3, 7), (9, 1), (10, 0), (12, 0)])
def test_decide_never_exceeds_the_maximum(live: int, tasks: int) -> None:
    decision = decided(50_000, 40, live_tasks=live, running_task_seconds=live * 800.0)
    assert decision.tasks == tasks
    assert tasks or decision.reason == f"already running the maximum of {live} tasks"


@pytest.mark.parametrize(
    ("since", "pending", "waited", "due"),
    [
        (59.9, 60, 1, False),  # its minute is being paid for, and another one would be paid for at once
        (59.9, 60, 30, True),  # the delay holds in any case
        (60.0, 60, 1, True),
        (10.0, 240, 1, True),  # the work fills a minute anyway
        (-1.0, 60, 1, True),  # the clock was set back
    ],
)
def test_decide_full_batch_waits_while_a_minute_is_paid(since: float, pending: int, waited: float, due: bool) -> None:
    assert (decided(pending, waited, last_started_at=NOW - since).tasks > 0) == due
    assert decided(pending, waited, last_started_at=NOW - since, profile=QUICK).tasks > 0
    assert decided(pending, waited, last_started_at=NOW - since, forced=True).tasks > 0


facts = st.builds(
    QueueFacts,
    pending=st.integers(0, 20_000),
    pending_megapixels=st.floats(0, 1e6),
    in_work_megapixels=st.floats(0, 1e6),
    first_pending_at=st.none() | st.floats(-1e6, 1e6).map(lambda ago: NOW - ago),
    running_task_seconds=st.floats(0, 1e6),
    live_tasks=st.integers(0, 30),
    failures=st.integers(0, 10),
    last_failure_at=st.floats(-1e6, 1e6).map(lambda ago: NOW - ago),
    last_started_at=st.none() | st.floats(-1e6, 1e6).map(lambda ago: NOW - ago),
    seconds_per_megapixel=st.floats(0.001, 100),
)
profiles = st.builds(
    RunnerProfile,
    worthwhile_seconds=st.floats(0.1, 600),
    max_tasks=st.integers(1, 100),
    billed_seconds=st.sampled_from([0.0, 60.0]),
    prefers_latency=st.booleans(),
)


@given(facts, profiles, st.integers(1, 100), st.floats(0.1, 1000), st.booleans())
def test_decide_any_facts_give_a_consistent_decision(
    given_facts: QueueFacts, profile: RunnerProfile, batch: int, delay: float, forced: bool
) -> None:
    decision = decide(given_facts, NOW, batch_size=batch, flush_delay=delay, profile=profile, forced=forced)
    assert 0 <= decision.tasks <= min(profile.max_tasks, given_facts.pending)
    assert decision.tasks == 0 or decision.tasks + given_facts.live_tasks <= max(
        profile.max_tasks, 1 + given_facts.live_tasks
    )
    assert decision.tasks <= decision.images <= given_facts.pending
    assert (decision.tasks == 0) == (decision.images == 0)
    assert decision.reason
    again = decide(given_facts, NOW, batch_size=batch, flush_delay=delay, profile=profile, forced=forced)
    assert again == decision
    if decision.tasks > 1:  # each further task has work that is worth its start
        megapixels = given_facts.pending_megapixels + profile.prefers_latency * given_facts.in_work_megapixels
        work = megapixels * given_facts.seconds_per_megapixel
        assert work > (decision.tasks - profile.prefers_latency) * profile.worthwhile_seconds * 0.999


@given(facts, profiles, st.integers(1, 100), st.floats(0.1, 1000))
def test_decide_any_facts_start_in_the_end(
    given_facts: QueueFacts, profile: RunnerProfile, batch: int, delay: float
) -> None:
    if given_facts.pending == 0 or given_facts.first_pending_at is None:
        return
    later = max(NOW, given_facts.first_pending_at, given_facts.last_failure_at) + delay + MAX_BACKOFF_SECONDS + 1
    idle = msgspec.structs.replace(given_facts, running_task_seconds=0.0, live_tasks=0)
    assert decide(idle, later, batch_size=batch, flush_delay=delay, profile=profile).tasks >= 1


@pytest.mark.parametrize(
    ("pending", "live", "tasks"),
    [(600, 0, 2), (600, 1, 1), (600, 2, 0), (1, 1, 0), (1, 0, 1)],
)
def test_decide_free_tasks_join_a_running_one(pending: int, live: int, tasks: int) -> None:
    more = {"live_tasks": live, "running_task_seconds": live * 880.0, "in_work_megapixels": live * PHOTO}
    assert decided(pending, 60, profile=LOCAL, **more).tasks == tasks
    assert live == 0 or decided(pending, 60, profile=CLOUD, **more).tasks == 0
