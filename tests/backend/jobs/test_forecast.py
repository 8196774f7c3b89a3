"""Forecasts and bills: cases with known results, and properties of all cases."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.jobs import bill
from backend.jobs.cloud_run.runner import cloud_profile
from backend.jobs.forecast import forecast, legacy_batches, pending_now, scaled, spread
from contract.messages.admin import WorkRate

RATE = WorkRate(seconds_per_megapixel=0.02, megapixels_per_photo=12.0)
COST, QUICK = cloud_profile(), cloud_profile(prefers_latency=True)
MINUTE = 60 * (2 * 0.000018 + 1 * 0.000002)
"""US dollars for the least that a task costs."""


@pytest.mark.parametrize(
    ("photos", "executions", "tasks", "seconds", "billed"),
    [
        (1, 1, 1, 70, 60),  # it waits for the tick after its delay, and for the start
        (50, 1, 1, 22, 60),  # 12 s of work
        (500, 1, 2, 70, 140),  # two minutes of work
        (5000, 1, 10, 130, 1300),  # twenty minutes of work
        (50_000, 2, 20, 1271, 12_200),  # more than ten tasks do before their time limit, and no more than ten run
    ],
)
def test_forecast_of_waiting_photos_has_known_results(
    photos: int, executions: int, tasks: int, seconds: float, billed: float
) -> None:
    found = forecast(pending_now(photos), RATE, COST)
    assert (found.executions, found.tasks) == (executions, tasks)
    assert found.seconds == pytest.approx(seconds, rel=0.05)
    assert found.billed_seconds == pytest.approx(billed, rel=0.05)
    assert found.dollars == pytest.approx(found.billed_seconds * MINUTE / 60)


def test_forecast_of_a_steady_stream_leaves_photos_to_the_running_task() -> None:
    found = forecast(spread(5000, 600), RATE, COST)
    assert (found.executions, found.tasks, found.most_tasks) == (2, 2, 2)
    assert found.model_dollars == pytest.approx(100 * 10 * 60 * (2 * 0.000018 + 2 * 0.000002))
    assert found.dollars < found.model_dollars / 50
    quick = forecast(spread(5000, 600), RATE, QUICK)
    assert quick.seconds < found.seconds
    assert quick.dollars > found.dollars


def test_model_batches_are_full_or_end_after_the_delay() -> None:
    assert [legacy_batches(pending_now(number)) for number in (1, 50, 51, 5000)] == [1, 1, 2, 100]
    assert legacy_batches([(0, 1), (29, 1), (31, 1)]) == 2
    assert legacy_batches([(0, 1), (100, 60)]) == 3
    assert legacy_batches([]) == 0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 2000), st.integers(1, 300)), min_size=1, max_size=20).map(sorted),
    st.floats(0.002, 0.2),
    st.floats(1, 50),
    st.booleans(),
)
def test_forecast_of_any_arrivals_finishes_and_bills_at_least_the_work(
    arrivals: list[tuple[float, int]], seconds: float, megapixels: float, latency: bool
) -> None:
    rate = WorkRate(seconds_per_megapixel=seconds, megapixels_per_photo=megapixels)
    found = forecast(arrivals, rate, QUICK if latency else COST)
    work = found.photos * seconds * megapixels
    assert found.photos == sum(number for _, number in arrivals)
    assert found.seconds >= arrivals[-1][0]
    assert found.most_tasks <= found.tasks
    assert found.billed_seconds >= max(work * 0.99, 60.0 * found.tasks)
    if not latency:  # beyond the work, a task costs its start and its minute at most
        assert found.billed_seconds <= work + 75.0 * found.tasks


def test_billed_seconds_are_a_minute_or_more_in_tenths() -> None:
    assert [bill.billed_seconds(seconds) for seconds in (0, 59.99, 60, 60.04, 61)] == pytest.approx(
        [60, 60, 60, 60.1, 61]
    )


def test_monthly_costs_of_services_follow_the_list_prices() -> None:
    assert bill.always_on_month(bill.Size(1, 0)) == pytest.approx(46.66, abs=0.01)
    assert bill.always_on_month(bill.SERVICE_WITH_WORKERS) == pytest.approx(103.68, abs=0.01)
    ticks = 30 * 24 * 60
    second = 0.000024 + 1.0 * 0.0000025
    assert bill.ticked_month(bill.SERVICE) == pytest.approx(0.10 + ticks * (0.1 * second + 0.0000004))
    assert bill.ticked_month(bill.SERVICE, tick_seconds=0.11) == pytest.approx(
        0.10 + ticks * (0.2 * second + 0.0000004)
    )


def test_scaled_multiplies_counts_and_costs() -> None:
    one = forecast(pending_now(50), RATE, COST)
    month = scaled(one, 20)
    assert (month.photos, month.executions, month.seconds) == (1000, 20, one.seconds)
    assert month.dollars == pytest.approx(20 * MINUTE)
