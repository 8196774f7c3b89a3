"""The shuffle queue: it shows every photo once in each cycle, new ones soon, and none twice in a row. Pure functions.

A device has one stored row for each photo. Its place is the number of the cycle in which the photo is shown next, then
a rank. The photo with the lowest place is shown next; then it gets another rank in the next cycle. So showing a photo
changes one row, however large the library is. A photo that was added while the device was in use has cycle 0: new
photos take every second turn until all of them have been shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from backend.playlist.pairs import LOOKAHEAD, Entry, PairingFacts, Partners

NEW = 0
"""The cycle of photos that were added while the device was in use and that it has not shown yet."""
RANK_BITS = 62
"""Bits of a rank: it fits into a signed 64-bit column."""
MAX_SLOTS_PASSED = 100
"""The maximum number of entries that a client can hold. If more slots have passed, no frame has shown the entries."""


class Place(NamedTuple):
    """The place of a photo in the order of a device. `variant` makes it unique."""

    cycle: int
    rank: int
    variant: int


class QueuedPhoto(NamedTuple):
    """A photo of a device's queue. It is pairable if it has a split-screen variant of the right size."""

    id: str
    place: Place
    is_pairable: bool = False


class Position(Struct, frozen=True, kw_only=True):
    """The position of a device in its queue.

    Attributes:
        seed: A random text that makes the order of each device different.
        cycle: The number of the current cycle, from 1.
        entry: The entry that was shown last; empty before the first one.
        entry_cycle: The cycle of this entry.
        was_new: True if this entry was a new photo.
        interval: The device's interval in seconds when the entry was chosen.
        slot: With an interval, the number of the time slot for which the entry was chosen.
    """

    seed: str = ""
    cycle: int = 1
    entry: Entry = ()
    entry_cycle: int = 0
    was_new: bool = False
    interval: int = 0
    slot: int = 0


def next_rank(seed: str, cycle: int, photo: str) -> int:
    """Return the rank of a photo in a later cycle, which is computed so that clients can fetch entries in advance."""
    digest = hashlib.blake2b(f"{seed}/{cycle}/{photo}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> (64 - RANK_BITS)


def slot_at(interval: int, now: float) -> int:
    """Return the number of the time slot that contains `now` (seconds since the epoch); 0 without an interval."""
    return int(now // interval) if interval else 0


def entries_due(position: Position, interval: int, now: float) -> int:
    """Return by how many entries a device with an interval must advance to show what is due now."""
    if not position.entry or not position.interval:
        return 1
    if position.interval != interval:  # the photo on the screen stays there until the new slot ends
        return 0
    passed = slot_at(interval, now) - position.slot
    if passed <= 0:  # the clock may have been set back
        return 0
    return passed if passed <= MAX_SLOTS_PASSED else 1


def in_turn(new: Sequence[QueuedPhoto], waiting: Sequence[QueuedPhoto], *, new_first: bool) -> Iterator[QueuedPhoto]:
    """Yield new and waiting photos alternately, then the rest of the longer sequence."""
    first, second = (new, waiting) if new_first else (waiting, new)
    shared = min(len(first), len(second))
    for index in range(shared):
        yield first[index]
        yield second[index]
    yield from first[shared:]
    yield from second[shared:]


class Planned(NamedTuple):
    """An entry to be shown, with its photos' places."""

    photos: tuple[QueuedPhoto, ...]
    is_new: bool

    @property
    def entry(self) -> Entry:
        return tuple(photo.id for photo in self.photos)


def plan(
    new: Sequence[QueuedPhoto],
    waiting: Sequence[QueuedPhoto],
    facts: Mapping[str, PairingFacts],
    *,
    before: Entry,
    was_new: bool,
) -> Iterator[Planned]:
    """Yield the entries of the current cycle in the order in which they are shown.

    An entry contains no photo of the entry before it if another photo is left. A pairable photo gets the best partner
    among the following `LOOKAHEAD` pairable photos.

    Args:
        new: The photos of cycle `NEW`, in order.
        waiting: The other photos of the cycle, in order. Both may be cut off; then the last entries may be alone.
        facts: The pairing facts of photos; photos without any count as unknown.
        before: The entry that was shown last.
        was_new: True if that was a new photo.
    """
    partners = Partners(facts)
    new, waiting = list(new), list(waiting)
    new_ids = {photo.id for photo in new}
    while new or waiting:
        new_first = bool(new) and not (was_new and waiting)
        head = _first_not_in(before, new, waiting, new_first=new_first)
        is_new = head.id in new_ids
        (new if is_new else waiting).remove(head)
        photos: tuple[QueuedPhoto, ...] = (head,)
        if head.is_pairable:
            following = in_turn(new, waiting, new_first=not is_new)
            candidates = _candidates(following, () if head.id in before else before)
            if (best := partners.best(head.id, [photo.id for photo in candidates])) is not None:
                partner = next(photo for photo in candidates if photo.id == best)
                (new if best in new_ids else waiting).remove(partner)
                photos = (head, partner)
        planned = Planned(photos, is_new)
        yield planned
        before, was_new = planned.entry, is_new


def _first_not_in(
    before: Entry, new: Sequence[QueuedPhoto], waiting: Sequence[QueuedPhoto], *, new_first: bool
) -> QueuedPhoto:
    """Return the first photo that is not in `before`, of the kind whose turn it is if possible."""
    ordered = (new, waiting) if new_first else (waiting, new)
    for photos in ordered:
        for photo in photos:
            if photo.id not in before:
                return photo
    return next(photo for photos in ordered for photo in photos)


def _candidates(following: Iterator[QueuedPhoto], excluded: Entry) -> list[QueuedPhoto]:
    found: list[QueuedPhoto] = []
    for photo in following:
        if photo.is_pairable and photo.id not in excluded:
            found.append(photo)
            if len(found) == LOOKAHEAD:
                break
    return found
