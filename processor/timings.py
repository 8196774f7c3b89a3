"""Measure how long each stage of the work on one photo takes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from contract.messages.processing import StageSeconds

Stage = Literal["waiting", "fetching", "announcing", "decoding", "colours", "pictures", "storing"]


class Stopwatch:
    """Assigns each moment to one stage, from its creation on.

    A photo is in one place at a time. The code that works on it names the stage that has just ended.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` returns seconds from any origin, and never runs backwards."""
        self._clock = clock
        self._start = self._last = clock()
        self._seconds: defaultdict[Stage, float] = defaultdict(float)

    def passed(self, stage: Stage) -> None:
        """Count the time since the last call for `stage`."""
        now = self._clock()
        self._seconds[stage] += now - self._last
        self._last = now

    def move(self, seconds: float, source: Stage, target: Stage) -> None:
        """Move up to `seconds` from `source` to `target`; never more than `source` has."""
        moved = min(seconds, self._seconds[source])
        self._seconds[source] -= moved
        self._seconds[target] += moved

    @property
    def total(self) -> float:
        """Seconds from the start to the end of the last stage."""
        return self._last - self._start

    def stages(self) -> StageSeconds:
        """Return the seconds of each stage so far, rounded to a tenth of a millisecond."""
        return StageSeconds(**{stage: round(max(0.0, seconds), 4) for stage, seconds in self._seconds.items()})
