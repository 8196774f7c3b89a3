"""What one device shows, in memory: its photos, its bag, and what was made of them."""

from __future__ import annotations

import asyncio
from typing import Any

from backend.database import bags
from backend.frame_answers import NamelessAnswer
from backend.known_devices import DeviceRow
from backend.playlist import bag as bag_rules
from backend.playlist.bag import Bag, Library
from backend.playlist.pairs import Entry
from contract.frame_messages import QueueEntry
from contract.halves import half_size

AHEAD_EACH = 8
"""Entries noted ahead for each call that came during the last writing, if there were several."""
MOST_AHEAD = 256
CALM = 16
"""Of what was noted ahead, so small a part is noted by the next writing during which no other call comes."""


def ahead_after(asked: int, before: int) -> int:
    """How many entries the next writing notes ahead, after one during which so many calls came; pure."""
    return min(MOST_AHEAD, AHEAD_EACH * asked) if asked > 1 else before // CALM


class Show:
    """What one device shows: for one set of photos and one version of its bag."""

    def __init__(self, device: DeviceRow, photos: bags.Photos, mark: bags.Mark, bag: Bag, hour: int) -> None:
        self.device = device
        self.photos = photos
        self.mark = mark
        self.bag = bag
        self.hour = hour
        self.stamp = -1
        self.rest_until = 0.0
        self.behind = False
        self.ahead: list[Bag] = []
        self.preparing: asyncio.Task[Bag] | None = None
        self.library: Library | None = None
        self.made: dict[Entry, QueueEntry] = {}
        self.answers: dict[tuple[Entry, bool], NamelessAnswer] = {}
        self.making = asyncio.Lock()
        self.bodies: dict[object, Any] = {}
        self.bodies_slot = -1
        self.kept_shown = bag.shown
        self.keeping: asyncio.Task[None] | None = None
        self.waiting = 0
        self.ahead_shown = 0

    def follow(self, before: Show) -> None:
        """Take over what is still right of the show that this one replaces."""
        self.ahead_shown = before.ahead_shown
        if self.bag is before.bag:
            self.kept_shown = before.kept_shown
        if (before.mark.pictures, shape_of(before.device)) == (self.mark.pictures, shape_of(self.device)):
            self.made = before.made  # another round of the same pictures
            if told_of(before.device) == told_of(self.device):
                self.answers = before.answers
        if self.photos is before.photos:
            self.rest_until = before.rest_until

    def be_of(self, device: DeviceRow) -> None:
        """Show the same for what has become of the device."""
        if told_of(self.device) != told_of(device):
            self.bodies, self.answers = {}, {}
        self.device = device

    def to_note(self) -> int:
        """How many entries to note as given: those that were, and where many ask at once some that will be."""
        return max(self.bag.shown, min(self.bag.shown + self.ahead_shown, len(self.bag.entries)))

    def doubt(self) -> None:
        """Have the database asked again at the next question."""
        self.stamp, self.rest_until = -1, 0.0
        self.mark = self.mark._replace(version=-1)

    def slot(self, now: float) -> int:
        """What differs between two entries that are due."""
        return bag_rules.slot_at(self.bag.interval, now) if self.bag.interval else self.bag.shown

    def is_over(self, now: float) -> bool:
        """Whether a new round has to begin."""
        return bag_rules.position(self.bag, now) >= len(self.bag.entries) > 0


def half_of(device: DeviceRow) -> tuple[int, int] | None:
    """The size of a device's halves in pixels; None for a device without."""
    return half_size(device.width, device.height, device.gap) if device.half_recipe else None


def shape_of(device: DeviceRow) -> tuple[object, ...]:
    """What of a device decides what it shows."""
    return device.key, half_of(device), device.interval_seconds, device.filters


def told_of(device: DeviceRow) -> tuple[int, ...]:
    """What of a device is told in answers."""
    return device.width, device.height, device.gap
