"""Where the time of one photo goes: each moment belongs to one stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from contract.messages.processing import StageSeconds

RenderStage = Literal["decoding", "colours", "pictures"]
Stage = RenderStage | Literal["waiting", "fetching", "announcing", "storing"]


class Stopwatch:
    """Runs from its making. A photo is in one place at a time, so whoever has it tells which stage has just ended."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` gives seconds from any beginning, and never goes back."""
        self._clock = clock
        self._start = self._last = clock()
        self._seconds: defaultdict[Stage, float] = defaultdict(float)

    def passed(self, stage: Stage) -> None:
        """All time since the last call was this stage's."""
        now = self._clock()
        self._seconds[stage] += now - self._last
        self._last = now

    def move(self, seconds: float, source: Stage, target: Stage) -> None:
        """So much of what was counted for `source`, and no more than that, was `target`'s."""
        moved = min(seconds, self._seconds[source])
        self._seconds[source] -= moved
        self._seconds[target] += moved

    @property
    def total(self) -> float:
        """Seconds from the beginning to the last stage's end."""
        return self._last - self._start

    def stages(self) -> StageSeconds:
        """What was told so far, to the tenth of a millisecond."""
        return StageSeconds(**{stage: round(max(0.0, seconds), 4) for stage, seconds in self._seconds.items()})
