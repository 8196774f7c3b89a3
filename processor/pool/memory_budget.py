"""Divide the memory of a task, reserve parts of it, and return freed memory to the operating system.

The number of photos in progress follows from bytes: a budget is a weighted semaphore for one event loop.
Reservations are served in order. Small ones do not overtake a large one, so a large photo gets its turn, alone if
necessary.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import sys
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

PROCESS_BASE_BYTES = 220 * 1024 * 1024
"""Memory of a task without photos: measured 86 MiB after a hundred small ones, 70 MiB more with numba
loaded; the rest is for compiled kernels and for what the allocator retains between two photos."""

ORIGINAL_LIMIT_BYTES = 64 * 1024 * 1024
"""The largest original that a task reads: twice the upload limit, for originals that were not uploaded."""

MIN_RENDER_BYTES = 64 * 1024 * 1024

TRIM_EVERY = 16
"""Images between two calls of `malloc_trim`: memory that was returned must be requested again, page by page."""


class BeyondBudget(ValueError):
    """The reservation exceeds the whole budget, so waiting would never end."""

    def __init__(self, requested: int, total: int) -> None:
        super().__init__(f"a reservation of {requested:,} bytes exceeds the budget of {total:,} bytes")
        self.requested = requested
        self.total = total


class MemoryReservation:
    """A number of reserved bytes. Releasing them twice has no further effect."""

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self.size = size

    def release(self) -> None:
        self._budget._release(self.size)
        self.size = 0


class MemoryBudget:
    """A budget of `total` bytes, of which `free` are not reserved."""

    def __init__(self, total: int) -> None:
        if total <= 0:
            raise ValueError(f"a budget needs at least 1 byte, not {total}")
        self.total = total
        self.free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> MemoryReservation:
        """Wait until `size` bytes are free and all earlier callers have been served.

        Raises:
            BeyondBudget: The budget is smaller than `size`; raised at once.
            ValueError: `size` is negative.
        """
        if size < 0:
            raise ValueError(f"cannot reserve {size} bytes")
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
                self._release(size)  # it was served and cancelled at the same moment
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._serve()  # smaller reservations may have waited for this one
            raise
        return MemoryReservation(self, size)

    @contextlib.asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Reserve `size` bytes for the duration of a block. Raises the errors of `take`."""
        reservation = await self.take(size)
        try:
            yield
        finally:
            reservation.release()

    def _release(self, size: int) -> None:
        self.free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self.free -= size
                turn.set_result(None)


class Shares(NamedTuple):
    """The memory of a task in bytes: for originals that wait, and for rendering.

    Each has a budget of its own. No code holds a part of one budget while it waits for more of the same budget,
    so there is no deadlock.
    """

    originals: int
    rendering: int


def shares_of(memory_limit: int) -> Shares:
    """Divide the memory of a process that may use `memory_limit` bytes; at least one original and a small photo."""
    available = max(0, memory_limit - PROCESS_BASE_BYTES)
    originals = max(ORIGINAL_LIMIT_BYTES, available // 8)
    return Shares(originals, max(MIN_RENDER_BYTES, available - originals))


_rendered = itertools.count(1)


def _find_malloc_trim() -> ctypes._NamedFuncPointer | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # a C library other than glibc
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int
    return function


_malloc_trim = _find_malloc_trim()


def trim_after_image() -> None:
    """Return freed memory to the operating system after every `TRIM_EVERY` images.

    Call it after each image, on the thread that rendered it.
    """
    if _malloc_trim is not None and next(_rendered) % TRIM_EVERY == 0:
        _malloc_trim(0)
