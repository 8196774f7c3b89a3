"""The memory budget: never overdrawn, served in order, nothing lost when a waiting caller is cancelled."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.pool.memory_budget import BeyondBudget, MemoryBudget

TOTAL = 100


@given(jobs=st.lists(st.tuples(st.integers(0, TOTAL), st.integers(0, 4), st.booleans()), min_size=1, max_size=25))
def test_budget_with_cancelled_jobs_is_never_overdrawn(jobs: list[tuple[int, int, bool]]) -> None:
    """A job is (bytes, event loop iterations of work, whether it is cancelled)."""

    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)
        held = 0

        async def job(size: int, rounds: int) -> None:
            nonlocal held
            reservation = await budget.take(size)
            held += size
            assert held <= TOTAL
            assert 0 <= budget.free <= TOTAL - held
            try:
                for _ in range(rounds):
                    await asyncio.sleep(0)
            finally:
                held -= size
                reservation.release()
                reservation.release()  # twice counts once

        tasks = [asyncio.create_task(job(size, rounds)) for size, rounds, _ in jobs]
        await asyncio.sleep(0)
        for task, (_, _, cancelled) in zip(tasks, jobs, strict=True):
            if cancelled:
                task.cancel()
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        assert held == 0
        assert budget.free == TOTAL

    asyncio.run(scenario())


@given(sizes=st.lists(st.integers(1, TOTAL), min_size=1, max_size=20))
def test_budget_serves_reservations_in_order(sizes: list[int]) -> None:
    async def scenario() -> list[int]:
        budget = MemoryBudget(TOTAL)
        order: list[int] = []

        async def job(number: int, size: int) -> None:
            reservation = await budget.take(size)
            order.append(number)
            await asyncio.sleep(0)
            reservation.release()

        async with asyncio.timeout(5):
            await asyncio.gather(*(job(number, size) for number, size in enumerate(sizes)))
        return order

    assert asyncio.run(scenario()) == list(range(len(sizes)))


def test_budget_small_reservation_does_not_overtake_a_large_one() -> None:
    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)
        first = await budget.take(60)
        large = asyncio.create_task(budget.take(TOTAL))
        await asyncio.sleep(0)
        small = asyncio.create_task(budget.take(1))
        await asyncio.sleep(0)
        assert not small.done()
        first.release()
        (await large).release()
        (await small).release()
        assert budget.free == TOTAL

    asyncio.run(scenario())


def test_budget_waiter_cancelled_while_served_releases_its_bytes() -> None:
    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)
        first = await budget.take(TOTAL)
        waiter = asyncio.create_task(budget.take(50))
        await asyncio.sleep(0)
        first.release()  # serves the waiter, which has not run yet
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert budget.free == TOTAL

    asyncio.run(scenario())


def test_budget_impossible_reservation_raises_at_once() -> None:
    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)
        with pytest.raises(BeyondBudget, match="101 bytes"):
            await budget.take(TOTAL + 1)
        with pytest.raises(ValueError, match="-1"):
            await budget.take(-1)

    asyncio.run(scenario())
    with pytest.raises(ValueError, match="at least 1 byte"):
        MemoryBudget(0)


def test_reserve_releases_its_bytes_after_an_error() -> None:
    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)

        async def failing_block() -> None:
            async with budget.reserve(60):
                assert budget.free == TOTAL - 60
                raise KeyError

        with pytest.raises(KeyError):
            await failing_block()
        assert budget.free == TOTAL

    asyncio.run(scenario())
