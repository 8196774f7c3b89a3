"""The state of one device in memory: its photos, its shuffle queue, and cached entries and responses."""

from __future__ import annotations

import asyncio
from typing import Any

from backend.database import shuffle_queues
from backend.database.devices import Device
from backend.frames.entries import NamelessAnswer
from backend.playlist import shuffle_queue
from backend.playlist.pairs import Entry
from backend.playlist.shuffle_queue import Library, ShuffleQueue
from contract.messages.frames import QueueEntry
from contract.split_screen import split_size

RESERVED_PER_CALL = 16
"""Entries reserved for each of several concurrent calls."""
MAX_RESERVED = 512
RESERVATION_DECAY = 16
"""The reservation shrinks by this factor with each write when calls are no longer concurrent."""


def next_reservation(together: int, before: int) -> int:
    """Return the number of entries that the next write reserves. Pure.

    Args:
        together: The calls that waited for this write, or that were answered in one turn of the event loop
            since the previous one. More than one means that several frames send requests concurrently.
        before: The previous reservation.
    """
    return (
        min(MAX_RESERVED, max(RESERVED_PER_CALL * together, before // 2))
        if together > 1
        else before // RESERVATION_DECAY
    )


class SavedPosition:
    """The stored position in one version of a shuffle queue, and the position of the entries returned."""

    def __init__(self, shown: int, ahead: int = 0) -> None:
        self.shown = shown
        """The stored number of entries that are returned or reserved."""
        self.given = shown
        """The number of entries up to the last one that was returned."""
        self.ahead = ahead
        """The number of entries that the next write reserves."""
        self.waiting = 0
        """Calls that wait for the current write."""
        self.together = 0
        """The maximum number of calls answered in one turn of the event loop since the last write."""
        self._this_turn = 0
        self.writing: asyncio.Task[None] | None = None

    def taken(self) -> None:
        """Count a call that takes an entry."""
        self._this_turn += 1
        if self._this_turn == 1:
            asyncio.get_running_loop().call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self.together = max(self.together, self._this_turn)
        self._this_turn = 0

    def was_written(self, shown: int) -> None:
        """Set the stored number of entries after a write."""
        self.shown = shown
        self.ahead = next_reservation(max(self.waiting, self.together), self.ahead)
        self.together = 0


class FrameState:
    """The state of a device for one set of photos and one version of its shuffle queue."""

    def __init__(
        self,
        device: Device,
        photos: shuffle_queues.AvailablePhotos,
        device_version: shuffle_queues.DeviceVersion,
        queue: ShuffleQueue,
        hour: int,
    ) -> None:
        self.device = device
        self.photos = photos
        self.device_version = device_version
        self.queue = queue
        self.hour = hour
        self.stamp = -1
        self.photos_stamp = -1
        self.rest_until = 0.0
        self.behind = False
        self.invalidated = False
        self.unconfirmed: tuple[ShuffleQueue, int] | None = None
        """The next queue whose write has not been confirmed, and the number of its entries that were returned."""
        self.ahead: list[ShuffleQueue] = []
        self.preparing: asyncio.Task[ShuffleQueue] | None = None
        self.library: Library | None = None
        self.made: dict[Entry, QueueEntry] = {}
        self.answers: dict[tuple[Entry, bool], NamelessAnswer] = {}
        self.making = asyncio.Lock()
        self.bodies: dict[object, Any] = {}
        self.bodies_slot = -1
        self.saved = SavedPosition(queue.shown)
        self.waiting = 1
        """Calls that compute the next cycle or refresh the queue, and calls that wait for them."""

    def follow(self, before: FrameState) -> None:
        """Copy the parts that are still valid from `before`, the state that this state replaces."""
        if self.queue is before.queue:
            self.saved = before.saved
        else:
            self.saved.ahead = next_reservation(max(before.waiting, before.saved.together), before.saved.ahead)
        if (before.device_version.variants, shape_of(before.device)) == (
            self.device_version.variants,
            shape_of(self.device),
        ):
            self.made = before.made  # another cycle of the same variants
            if reported_fields(before.device) == reported_fields(self.device):
                self.answers = before.answers
        if self.photos is before.photos:
            self.rest_until = before.rest_until

    def be_of(self, device: Device) -> None:
        """Replace the device by its changed row, which shows the same photos."""
        if reported_fields(self.device) != reported_fields(device):
            self.bodies, self.answers = {}, {}
        self.device = device

    def position_to_save(self) -> int:
        """Return the number of entries to store: those returned, and those to be reserved."""
        if self.queue.interval:  # time advances the queue, not calls
            return self.queue.shown
        return max(self.queue.shown, min(self.queue.shown + self.saved.ahead, len(self.queue.entries)))

    def invalidate(self) -> None:
        """Read the database again at the next call."""
        self.stamp, self.rest_until, self.invalidated = -1, 0.0, True

    def slot(self, now: float) -> int:
        """Return a number that changes with the current entry."""
        return shuffle_queue.slot_at(self.queue.interval, now) if self.queue.interval else self.queue.shown

    def is_over(self, now: float) -> bool:
        """Return True if a new cycle must begin."""
        queue = self.queue
        if queue.interval:
            return shuffle_queue.position(queue, now) >= len(queue.entries) > 0
        return queue.shown >= len(queue.entries) > 0


def split_screen_size(device: Device) -> tuple[int, int] | None:
    """Return the size of a device's split-screen variants in pixels; None if the device shows no pairs."""
    return split_size(device.width, device.height, device.gap) if device.half_recipe else None


def shape_of(device: Device) -> tuple[object, ...]:
    """Return the fields of a device that decide which photos it shows, and at which addresses."""
    return device.key, split_screen_size(device), device.interval_seconds, device.filters, device.picture_salt


def reported_fields(device: Device) -> tuple[int, ...]:
    """Return the fields of a device that responses contain."""
    return device.width, device.height, device.gap
