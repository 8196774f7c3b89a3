"""How many pictures are in flight follows from bytes: a weighted semaphore for asyncio.

First come, first served: whoever waits for much is not overtaken by those who want little,
so a large picture gets its turn, alone if it needs to be. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

PROCESS_BASE_BYTES = 220 * 1024 * 1024
"""What a task holds beside pictures: measured 86 MiB after a hundred small ones, 70 MiB more with numba
loaded; the rest is for compiled kernels and for what the allocator keeps between two pictures."""

ORIGINAL_LIMIT_BYTES = 64 * 1024 * 1024
"""The largest original that a task reads: twice what an upload may have, for those that came another way."""

MIN_RENDER_BYTES = 64 * 1024 * 1024


class BeyondBudget(ValueError):
    """More was asked for than there is in all: waiting would never end."""

    def __init__(self, wanted: int, total: int) -> None:
        super().__init__(f"{wanted:,} bytes are wanted, and there are {total:,} in all")
        self.wanted = wanted
        self.total = total


class MemoryReservation:
    """Bytes that were taken; giving them back twice counts once."""

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self.size = size

    def release(self) -> None:
        self._budget._give_back(self.size)
        self.size = 0


class MemoryBudget:
    """`total` bytes to be taken in pieces; `free` is what nobody holds."""

    def __init__(self, total: int) -> None:
        if total <= 0:
            raise ValueError(f"a budget needs bytes, not {total}")
        self.total = total
        self.free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> MemoryReservation:
        """Wait until `size` bytes are free and everyone who came earlier has been served.

        Raises BeyondBudget at once when that can never be, ValueError for a negative size.
        """
        if size < 0:
            raise ValueError(f"nobody can take {size} bytes")
        if size > self.total:
            raise BeyondBudget(size, self.total)
        if not self._waiting and size <= self.free:
            self.free -= size
            return MemoryReservation(self, size)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(size)  # it was served in the very moment in which it gave up
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._serve()  # it may have stood before others for whom there is room
            raise
        return MemoryReservation(self, size)

    def _give_back(self, size: int) -> None:
        self.free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self.free -= size
                turn.set_result(None)


class Shares(NamedTuple):
    """How a task's memory is divided, in bytes.

    Originals that wait and pictures that are rendered have a budget each: nobody holds
    a part of one budget while waiting for more of the same, so nobody waits for ever.
    """

    originals: int
    rendering: int


def shares_of(memory_limit: int) -> Shares:
    """The shares in a process that may use `memory_limit` bytes; at least one original and a small picture."""
    room = max(0, memory_limit - PROCESS_BASE_BYTES)
    originals = max(ORIGINAL_LIMIT_BYTES, room // 8)
    return Shares(originals, max(MIN_RENDER_BYTES, room - originals))
