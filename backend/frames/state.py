"""What one device shows, in memory: its photos, its bag, and what was made of them."""

from __future__ import annotations

import asyncio
from typing import Any

from backend.database import bags
from backend.database.devices import Device
from backend.frames.entries import NamelessAnswer
from backend.playlist import bag as bag_rules
from backend.playlist.bag import Bag, Library
from backend.playlist.pairs import Entry
from contract.messages.frames import QueueEntry
from contract.split_screen import half_size

AHEAD_EACH = 16
"""Entries noted ahead for each call that comes together with others."""
MAX_RESERVED = 512
CALM = 16
"""Of what was noted ahead, so small a part is noted by the next writing if calls come one by one."""


def ahead_after(together: int, before: int) -> int:
    """How many entries the next writing notes ahead; pure.

    `together` calls waited for this writing, or were answered in one turn of the event loop since the one before. That
    happens only where several frames ask at once: for one that asks fast, what was noted ahead `before` is soon over.
    """
    return min(MAX_RESERVED, max(AHEAD_EACH * together, before // 2)) if together > 1 else before // CALM


class SavedPosition:
    """What the database says of one version of a bag, and what was given of it."""

    def __init__(self, shown: int, ahead: int = 0) -> None:
        self.shown = shown
        """Entries that are noted as given."""
        self.given = shown
        """Entries up to the last one that somebody got."""
        self.ahead = ahead
        """Entries that the next writing notes ahead of time."""
        self.waiting = 0
        """Calls that wait for the writing that is under way."""
        self.together = 0
        """The most calls that were answered in one turn of the event loop since the last writing."""
        self._this_turn = 0
        self.writing: asyncio.Task[None] | None = None

    def taken(self) -> None:
        """One more call takes an entry."""
        self._this_turn += 1
        if self._this_turn == 1:
            asyncio.get_running_loop().call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self.together = max(self.together, self._this_turn)
        self._this_turn = 0

    def was_written(self, shown: int) -> None:
        """So many entries are noted as given now."""
        self.shown = shown
        self.ahead = ahead_after(max(self.waiting, self.together), self.ahead)
        self.together = 0


class FrameState:
    """What one device shows: for one set of photos and one version of its bag."""

    def __init__(self, device: Device, photos: bags.Photos, mark: bags.DeviceVersion, bag: Bag, hour: int) -> None:
        self.device = device
        self.photos = photos
        self.mark = mark
        self.bag = bag
        self.hour = hour
        self.stamp = -1
        self.photos_stamp = -1
        self.rest_until = 0.0
        self.behind = False
        self.doubted = False
        self.doubtful: tuple[Bag, int] | None = None
        """The bag that was to follow as it was to be kept, and how many of its entries were given; while nobody has
        heard whether it was kept."""
        self.ahead: list[Bag] = []
        self.preparing: asyncio.Task[Bag] | None = None
        self.library: Library | None = None
        self.made: dict[Entry, QueueEntry] = {}
        self.answers: dict[tuple[Entry, bool], NamelessAnswer] = {}
        self.making = asyncio.Lock()
        self.bodies: dict[object, Any] = {}
        self.bodies_slot = -1
        self.noted = SavedPosition(bag.shown)
        self.waiting = 1
        """Calls that make the next round, or what follows a change, and those that wait for it."""

    def follow(self, before: FrameState) -> None:
        """Take over what is still right of the show that this one replaces."""
        if self.bag is before.bag:
            self.noted = before.noted
        else:
            self.noted.ahead = ahead_after(max(before.waiting, before.noted.together), before.noted.ahead)
        if (before.mark.pictures, shape_of(before.device)) == (self.mark.pictures, shape_of(self.device)):
            self.made = before.made  # another round of the same pictures
            if told_of(before.device) == told_of(self.device):
                self.answers = before.answers
        if self.photos is before.photos:
            self.rest_until = before.rest_until

    def be_of(self, device: Device) -> None:
        """Show the same for what has become of the device."""
        if told_of(self.device) != told_of(device):
            self.bodies, self.answers = {}, {}
        self.device = device

    def to_note(self) -> int:
        """How many entries to note as given: those that were, and where many ask at once some that will be."""
        if self.bag.interval:  # time moves it on, not calls
            return self.bag.shown
        return max(self.bag.shown, min(self.bag.shown + self.noted.ahead, len(self.bag.entries)))

    def doubt(self) -> None:
        """Have the database asked again at the next question."""
        self.stamp, self.rest_until, self.doubted = -1, 0.0, True

    def slot(self, now: float) -> int:
        """What differs between two entries that are due."""
        return bag_rules.slot_at(self.bag.interval, now) if self.bag.interval else self.bag.shown

    def is_over(self, now: float) -> bool:
        """Whether a new round has to begin."""
        bag = self.bag
        if bag.interval:
            return bag_rules.position(bag, now) >= len(bag.entries) > 0
        return bag.shown >= len(bag.entries) > 0


def half_of(device: Device) -> tuple[int, int] | None:
    """The size of a device's halves in pixels; None for a device without."""
    return half_size(device.width, device.height, device.gap) if device.half_recipe else None


def shape_of(device: Device) -> tuple[object, ...]:
    """What of a device decides what it shows."""
    return device.key, half_of(device), device.interval_seconds, device.filters


def told_of(device: Device) -> tuple[int, ...]:
    """What of a device is told in answers."""
    return device.width, device.height, device.gap
