"""What goes wrong between a program and the imitated bucket, and how far away the bucket seems to be."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from typing import Literal

from msgspec import Struct

Kind = Literal["status", "reset", "lost answer", "broken", "stall", "corrupt"]


class Fault(Struct, frozen=True):
    """One misbehaviour.

    status        that status instead of the work
    reset         the connection ends before anything is done
    lost answer   the work is done, and the connection ends before its answer
    broken        an answer's body ends after `after` bytes
    stall         nothing comes for `seconds`: at once, or in a body after `after` bytes
    corrupt       one bit of an object is turned over, under the right checksum
    """

    kind: Kind
    status: int = 503
    after: int = 0
    seconds: float = 0.0


class Faults:
    """Which request meets which fault: those that were ordered first, then a drawn one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: dict[str, deque[Fault]] = {}
        self._draw: random.Random | None = None
        self._chance = 0.0
        self._kinds: tuple[Fault, ...] = ()
        self.met: Counter[str] = Counter()
        """How often each kind of fault happened."""

    def order(self, operation: str, *faults: Fault) -> None:
        """The next requests of this operation meet these, one each."""
        with self._lock:
            self._ordered.setdefault(operation, deque()).extend(faults)

    def draw(self, chance: float, *kinds: Fault, seed: int = 1) -> None:
        """From now on each request meets one of `kinds` with this chance."""
        with self._lock:
            self._draw, self._chance, self._kinds = random.Random(seed), chance, kinds

    def of(self, operation: str) -> Fault | None:
        """What the next request of this operation meets."""
        with self._lock:
            fault = None
            if waiting := self._ordered.get(operation):
                fault = waiting.popleft()
            elif self._draw and self._kinds and self._draw.random() < self._chance:
                fault = self._draw.choice(self._kinds)
            if fault is None or (fault.kind == "corrupt" and operation != "read"):
                return None  # what is no object's body has no checksum, and travels encrypted
            self.met[fault.kind] += 1
            return fault


class Link:
    """The way between: `latency` seconds for each request, and `rate` bytes a second for all bodies of a direction."""

    def __init__(self, latency: float = 0.0, rate: float = 0.0) -> None:
        """A `rate` of 0 is no limit."""
        self.latency = latency
        self.rate = rate
        self._lock = threading.Lock()
        self._free_at = {"up": 0.0, "down": 0.0}

    def wait_for_answer(self) -> None:
        """Sleep as long as a request and its answer are under way."""
        if self.latency:
            time.sleep(self.latency)

    def carry(self, direction: Literal["up", "down"], size: int, before: float | None = None) -> float:
        """Sleep until `size` bytes have gone through, behind all that others sent before; when that was.

        `before` is what this gave for the piece before of the same body. A busy machine wakes this thread up
        late, and the next piece makes up for it, as the buffers of a real network would.
        """
        now = time.monotonic()
        if not self.rate:
            return now
        with self._lock:
            ends = max(now if before is None else before, self._free_at[direction]) + size / self.rate
            self._free_at[direction] = ends
        time.sleep(max(0.0, ends - now))
        return ends
