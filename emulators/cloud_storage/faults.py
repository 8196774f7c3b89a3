"""Injected faults of the emulated Cloud Storage, and the simulated network distance to it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from typing import Literal

from msgspec import Struct

Kind = Literal["status", "reset", "lost answer", "broken", "stall", "corrupt"]


class Fault(Struct, frozen=True):
    """One injected fault.

    status        respond with that status and do nothing
    reset         reset the connection before anything is done
    lost answer   do the work, and reset the connection before the response
    broken        reset the connection after `after` bytes of the response body
    stall         pause for `seconds` after `after` bytes of the response body
    corrupt       flip one bit of an object, but send the correct checksum
    """

    kind: Kind
    status: int = 503
    after: int = 0
    seconds: float = 0.0


class Faults:
    """Selects the fault of each request: scheduled faults first, then random ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: dict[str, deque[Fault]] = {}
        self._draw: random.Random | None = None
        self._chance = 0.0
        self._kinds: tuple[Fault, ...] = ()
        self.met: Counter[str] = Counter()
        """Number of faults of each kind that happened."""

    def order(self, operation: str, *faults: Fault) -> None:
        """Schedule one fault for each of the next requests of this operation."""
        with self._lock:
            self._ordered.setdefault(operation, deque()).extend(faults)

    def draw(self, chance: float, *kinds: Fault, seed: int = 1) -> None:
        """From now on, give each request one of `kinds` with this probability."""
        with self._lock:
            self._draw, self._chance, self._kinds = random.Random(seed), chance, kinds

    def of(self, operation: str) -> Fault | None:
        """Return the fault of the next request of this operation, or None."""
        with self._lock:
            fault = None
            if waiting := self._ordered.get(operation):
                fault = waiting.popleft()
            elif self._draw and self._kinds and self._draw.random() < self._chance:
                fault = self._draw.choice(self._kinds)
            if fault is None or (fault.kind == "corrupt" and operation != "read"):
                return None  # only objects have a checksum; TLS protects all other bodies
            self.met[fault.kind] += 1
            return fault


class Link:
    """A simulated network link: `latency` seconds per request, `rate` bytes per second shared by each direction."""

    def __init__(self, latency: float = 0.0, rate: float = 0.0) -> None:
        """Create a link; a `rate` of 0 means no limit."""
        self.latency = latency
        self.rate = rate
        self._lock = threading.Lock()
        self._free_at = {"up": 0.0, "down": 0.0}

    def wait_for_response(self) -> None:
        """Sleep for the round trip of a request and its response."""
        if self.latency:
            time.sleep(self.latency)

    def carry(self, direction: Literal["up", "down"], size: int, before: float | None = None) -> float:
        """Sleep until `size` bytes have passed, after all bytes that other threads sent before.

        Args:
            direction: Direction of the bytes.
            size: Number of bytes.
            before: Return value for the previous piece of the same body. A busy machine wakes this thread late;
                the next piece then catches up, like the buffers of a real network.

        Returns:
            The monotonic time at which the bytes have passed.
        """
        now = time.monotonic()
        if not self.rate:
            return now
        with self._lock:
            ends = max(now if before is None else before, self._free_at[direction]) + size / self.rate
            self._free_at[direction] = ends
        time.sleep(max(0.0, ends - now))
        return ends
