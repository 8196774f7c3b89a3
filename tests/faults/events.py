"""Events of a run, derived from a seed and due by progress instead of time, so the machine's speed is irrelevant."""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct

Kind = Literal["kill task", "kill backend", "clock", "start lost", "start rejected", "kill second backend"]
OFFSETS = (-3600.0, -600.0, -5.0, 5.0, 600.0, 3600.0)
"""Seconds by which the backend's clock is wrong after a jump."""


class Event(Struct, frozen=True, order=True):
    """An event that is due after `after` finished photos; `number` selects the task, `offset` is that of the clock."""

    after: int
    kind: Kind
    number: int = 0
    offset: float = 0.0


def draw_events(seed: int, images: int, *, fleeting: bool = False) -> tuple[Event, ...]:
    """Return the events of a run over `images` photos, in the order in which they are due.

    Args:
        seed: Seed of the run.
        images: Number of photos.
        fleeting: The database does not outlive its backend. Then second backends are started and killed as well.
    """
    chances = random.Random(f"{seed}/events")
    scale = max(1, images // 50)

    def when() -> int:
        return chances.randrange(0, max(1, images * 9 // 10))

    events = [Event(when(), "kill task", chances.randrange(1000)) for _ in range(chances.randint(1, 2) * scale)]
    events += [Event(when(), "kill backend") for _ in range(chances.randint(1, max(1, scale // 2)))]
    events += [Event(when(), "clock", 0, chances.choice(OFFSETS)) for _ in range(chances.randint(1, scale))]
    events += [Event(0, chances.choice(("start lost", "start rejected"))) for _ in range(chances.randint(0, 2))]
    if fleeting:  # drawn last, so that all other events are those of a run with a durable database
        events += [Event(when(), "kill second backend") for _ in range(chances.randint(1, 2))]
    return tuple(sorted(events))
