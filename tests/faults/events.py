"""What is broken when: drawn from a seed, and due by how far the work is, so that a slow machine breaks the same."""

from __future__ import annotations

import random
from typing import Literal

from msgspec import Struct

Kind = Literal["kill task", "kill backend", "clock", "start lost", "start refused"]
OFFSETS = (-3600.0, -600.0, -5.0, 5.0, 600.0, 3600.0)
"""Seconds by which the backend's clock is off after a jump."""


class Event(Struct, frozen=True, order=True):
    """`after` so many finished photos. `number` chooses the task, `offset` is the clock's."""

    after: int
    kind: Kind
    number: int = 0
    offset: float = 0.0


def drawn(seed: int, images: int) -> tuple[Event, ...]:
    """The events of a run over so many photos, in the order in which they are due."""
    chances = random.Random(f"{seed}/events")
    scale = max(1, images // 50)

    def when() -> int:
        return chances.randrange(0, max(1, images * 9 // 10))

    made = [Event(when(), "kill task", chances.randrange(1000)) for _ in range(chances.randint(1, 2) * scale)]
    made += [Event(when(), "kill backend") for _ in range(chances.randint(1, max(1, scale // 2)))]
    made += [Event(when(), "clock", 0, chances.choice(OFFSETS)) for _ in range(chances.randint(1, scale))]
    made += [Event(0, chances.choice(("start lost", "start refused"))) for _ in range(chances.randint(0, 2))]
    return tuple(sorted(made))
