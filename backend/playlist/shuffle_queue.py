"""The shuffle queue of a device: it shows every photo once before it repeats one. Pure functions.

A `ShuffleQueue` is one cycle: its entries in order, and the time or the call at which the first one is shown.
The queue and the time determine what is shown, so the queue is stored only when a cycle begins or photos change.
The seed and the cycle number determine the order of later cycles, so they can be computed in advance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import msgspec
from msgspec import Struct

from backend.playlist.pairs import Entry, PairingFacts, paired


class Library(Struct, frozen=True):
    """The photos that a device may show, and pairing facts of those that have a split-screen variant."""

    photos: Sequence[str]
    pairable: Mapping[str, PairingFacts] = {}


class ShuffleQueue(Struct, frozen=True, kw_only=True):
    """One cycle of a device's shuffle queue.

    Attributes:
        cycle: The number of the cycle, from 1.
        interval: Seconds for which each entry is shown; 0 if each call of `next` advances the queue.
        first_slot: With an interval, the time slot in which entry 0 is shown. A slot lasts one interval.
        shown: Without an interval, the number of entries that were returned.
        before: The last entry of the previous cycle.
        pairable: The number of photos with a split-screen variant when the entries were chosen.
        version: The version of the stored row, incremented by every change of the entries.
    """

    seed: str
    cycle: int = 1
    interval: int = 0
    first_slot: int = 0
    shown: int = 0
    entries: tuple[Entry, ...] = ()
    before: Entry = ()
    pairable: int = 0
    version: int = 1


def slot_at(interval: int, now: float) -> int:
    """Return the number of the time slot that contains `now` (seconds since the epoch)."""
    return int(now // interval)


def position(queue: ShuffleQueue, now: float) -> int:
    """Return the index of the current entry: on the screen with an interval, for the next call without one.

    At the end of the cycle the index is the number of entries, or more.
    """
    if queue.interval:
        return max(0, slot_at(queue.interval, now) - queue.first_slot)
    return queue.shown


def is_current(
    queue: ShuffleQueue, interval: int, photos: frozenset[str], pairable: frozenset[str], now: float
) -> bool:
    """Return True if the queue can be used without `refresh`."""
    if queue.interval != interval or queue.pairable != len(pairable):
        return False
    if {photo for entry in queue.entries for photo in entry} != photos:
        return False
    index = position(queue, now)
    if index >= len(queue.entries):
        return not photos
    return all(len(entry) == 1 or pairable.issuperset(entry) for entry in queue.entries[index:])


def pairing_candidates(
    queue: ShuffleQueue | None, photos: frozenset[str], pairable: frozenset[str], now: float
) -> frozenset[str]:
    """Return the pairable photos for which `refresh` may look for a partner: at the end of a cycle all of them."""
    if queue is None or (index := position(queue, now)) >= len(queue.entries):
        return pairable
    fixed = {photo for entry in queue.entries[:index] for photo in entry}
    for entry in queue.entries[index:]:
        if len(entry) > 1 and pairable.issuperset(entry):
            fixed.update(entry)
    for entry in queue.entries[index : _first_changeable(queue, index)]:
        fixed.update(_present(entry, photos)[:1])  # the photo on the screen stays there, alone if necessary
    return pairable - fixed


def first_cycle(seed: str, interval: int, library: Library, now: float) -> ShuffleQueue:
    """Return the first cycle of a device that has no queue."""
    slot = slot_at(interval, now) if interval else 0
    return _new_cycle(ShuffleQueue(seed=seed, cycle=0, interval=interval, first_slot=slot, version=0), library, slot)


def refresh(queue: ShuffleQueue, interval: int, library: Library, now: float) -> ShuffleQueue:
    """Return the queue for this interval, library and time: the same cycle with changes, or the next cycle."""
    index = position(queue, now)
    if index >= len(queue.entries):
        queue = msgspec.structs.replace(queue, interval=interval, first_slot=_first_slot_at_end(queue, interval, now))
        return next_cycle(queue, library, now)
    changed = _with_photos(queue, index, library)
    if not changed.entries:
        return _moved_to(changed, interval, 0, now)
    moved = _moved_to(changed, interval, changed.shown, now)
    return next_cycle(moved, library, now) if changed.shown >= len(changed.entries) else moved


def next_cycle(queue: ShuffleQueue, library: Library, now: float | None = None) -> ShuffleQueue:
    """Return the next cycle, which begins where this one ends.

    If `now` is given and the next cycle would not contain this time, because no client has sent a request
    for a long time, it begins at `now`.
    """
    begins = queue.first_slot + len(queue.entries) if queue.interval else 0
    following = _new_cycle(queue, library, begins)
    if now is not None and queue.interval:
        slot = slot_at(queue.interval, now)
        if not begins <= slot < begins + len(following.entries):
            following = msgspec.structs.replace(following, first_slot=slot)
    return following


def cycles(queue: ShuffleQueue, library: Library) -> Iterator[ShuffleQueue]:
    """Yield this cycle and all following ones, without end."""
    while True:
        yield queue
        queue = next_cycle(queue, library)


def _first_slot_at_end(queue: ShuffleQueue, interval: int, now: float) -> int:
    """Return the first slot of a queue at its end, in slots of the given interval."""
    if interval == queue.interval:
        return queue.first_slot
    return slot_at(interval, now) - len(queue.entries) if interval else 0


def _moved_to(queue: ShuffleQueue, interval: int, index: int, now: float) -> ShuffleQueue:
    first = slot_at(interval, now) - index if interval else 0
    return msgspec.structs.replace(queue, interval=interval, first_slot=first, shown=0 if interval else index)


def _new_cycle(queue: ShuffleQueue, library: Library, first_slot: int) -> ShuffleQueue:
    """Return the cycle after `queue` with all photos of the library."""
    cycle = queue.cycle + 1
    order: list[Entry] = [(photo,) for photo in shuffled(library.photos, queue.seed, cycle)]
    before = queue.entries[-1] if queue.entries else queue.before
    return msgspec.structs.replace(
        queue,
        cycle=cycle,
        first_slot=first_slot,
        shown=0,
        before=before,
        entries=tuple(avoid_repeat(before, paired(order, library.pairable))),
        pairable=len(library.pairable),
        version=queue.version + 1,
    )


def _first_changeable(queue: ShuffleQueue, index: int) -> int:
    """Return the index of the first entry that may change, after the entries that were or are shown."""
    return index + 1 if queue.interval else index


def _with_photos(queue: ShuffleQueue, index: int, library: Library) -> ShuffleQueue:
    """Return the cycle without removed photos and with new ones, which come soon. `shown` is the new index."""
    present = set(library.photos)
    fixed = _first_changeable(queue, index)
    done = [left for entry in queue.entries[:index] if (left := _present(entry, present))]
    on_screen = [left for entry in queue.entries[index:fixed] if (left := _present(entry, present))]
    rest = [left for entry in queue.entries[fixed:] if (left := _present(entry, present))]
    known = {photo for entry in queue.entries for photo in entry}
    added = (photo for photo in library.photos if photo not in known)
    new: list[Entry] = [(photo,) for photo in shuffled(added, queue.seed, queue.cycle)]
    split = [part for entry in [*on_screen, *rest] for part in _separated(entry, library.pairable)]
    on_screen, rest = split[: len(on_screen)], split[len(on_screen) :]
    entries = on_screen + paired(interleave(new, rest), library.pairable)
    if not done and not on_screen:
        entries = avoid_repeat(queue.before, entries)
    return msgspec.structs.replace(
        queue,
        entries=(*done, *entries),
        shown=len(done),
        pairable=len(library.pairable),
        version=queue.version + 1,
    )


def _present(entry: Entry, present: Set[str]) -> Entry:
    return tuple(photo for photo in entry if photo in present)


def _separated(entry: Entry, pairable: Mapping[str, PairingFacts]) -> list[Entry]:
    """Return the entry. If a photo of a pair has lost its split-screen variant, return an entry for each photo."""
    if len(entry) == 1 or all(photo in pairable for photo in entry):
        return [entry]
    return [(photo,) for photo in entry]


def avoid_repeat(before: Entry, entries: list[Entry]) -> list[Entry]:
    """Reorder the entries so that the first one contains no photo of `before`, if another photo exists."""
    recent = set(before)
    if not entries or recent.isdisjoint(entries[0]):
        return entries
    for index, entry in enumerate(entries):
        if recent.isdisjoint(entry):
            return [entry, *entries[1:index], entries[0], *entries[index + 1 :]]
    for index, entry in enumerate(entries):
        for photo in entry:
            if photo not in recent:  # only its partner was shown last: show this photo first, the partner at the end
                rest: list[Entry] = [*entries[:index], *entries[index + 1 :]]
                return [(photo,), *rest, tuple(partner for partner in entry if partner != photo)]
    return entries


def shuffled(image_ids: Iterable[str], seed: str, cycle: int) -> list[str]:
    """Return the ids in the order of this seed and cycle, independent of their order in `image_ids`.

    The ids are sorted by their hash with seed and cycle. So a photo that is added or removed moves no other photo.
    """
    salt = f"{seed}/{cycle}/".encode()
    return sorted(image_ids, key=lambda image_id: hashlib.blake2b(salt + image_id.encode(), digest_size=16).digest())


def interleave(new: list[tuple[str, ...]], others: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Alternate new and other entries, beginning with a new one, so that new photos are shown soon."""
    shared = min(len(new), len(others))
    mixed = [entry for both in zip(new, others, strict=False) for entry in both]
    return mixed + new[shared:] + others[shared:]
