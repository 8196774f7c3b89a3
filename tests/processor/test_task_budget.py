"""The byte budget: never overdrawn, first come first served, nothing lost when waiters give up."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.pool.memory_budget import BeyondBudget, MemoryBudget
from processor.task.claim_policy import claim_room, claiming_ends_before, pause_after

TOTAL = 100


@given(jobs=st.lists(st.tuples(st.integers(0, TOTAL), st.integers(0, 4), st.booleans()), min_size=1, max_size=25))
def test_the_budget_is_never_overdrawn_and_ends_whole(jobs: list[tuple[int, int, bool]]) -> None:
    """Jobs are (bytes, event loop rounds of work, whether it is cancelled on its way)."""

    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)
        held = 0

        async def job(size: int, rounds: int) -> None:
            nonlocal held
            grant = await budget.take(size)
            held += size
            assert held <= TOTAL
            assert 0 <= budget.free <= TOTAL - held
            try:
                for _ in range(rounds):
                    await asyncio.sleep(0)
            finally:
                held -= size
                grant.release()
                grant.release()  # twice counts once

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
def test_grants_come_in_the_order_of_asking(sizes: list[int]) -> None:
    async def scenario() -> list[int]:
        budget = MemoryBudget(TOTAL)
        order: list[int] = []

        async def job(number: int, size: int) -> None:
            grant = await budget.take(size)
            order.append(number)
            await asyncio.sleep(0)
            grant.release()

        async with asyncio.timeout(5):
            await asyncio.gather(*(job(number, size) for number, size in enumerate(sizes)))
        return order

    assert asyncio.run(scenario()) == list(range(len(sizes)))


def test_a_large_one_is_not_overtaken() -> None:
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


def test_a_waiter_that_is_served_while_it_gives_up_returns_its_bytes() -> None:
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


def test_what_can_never_be_is_refused_at_once() -> None:
    async def scenario() -> None:
        budget = MemoryBudget(TOTAL)
        with pytest.raises(BeyondBudget, match="101 bytes"):
            await budget.take(TOTAL + 1)
        with pytest.raises(ValueError, match="-1"):
            await budget.take(-1)

    asyncio.run(scenario())
    with pytest.raises(ValueError, match="needs bytes"):
        MemoryBudget(0)


@given(under_way=st.integers(0, 300), threads=st.integers(1, 64))
def test_claims_are_small_and_the_pipeline_is_bounded(under_way: int, threads: int) -> None:
    room = claim_room(under_way, threads)
    assert 0 <= room <= min(2 * threads, 50)
    if room:
        assert under_way + room <= 2 * threads + 4
    if under_way <= threads:
        assert room > 0  # it is topped up before it runs dry


def test_pauses_grow_and_stay_bounded() -> None:
    pauses = [pause_after(faults) for faults in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0
    assert pauses[-1] == 5.0
    assert claiming_ends_before(900) == 45
    assert claiming_ends_before(9) == 3
