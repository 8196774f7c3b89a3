"""The shuffle bag of a device: every photo once before any comes again. Pure.

A bag is one round: its entries in order, and where in time or in calls the first one stands. What is shown follows
from the bag and the moment alone, so the bag is written only when a round begins or photos change. The order of the
following rounds follows from seed and round, so that they can be looked at before they begin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import msgspec
from msgspec import Struct

from backend.playlist.pairs import Entry, HalfFacts, paired


class Library(Struct, frozen=True):
    """The photos that a device may show, and those of them that can be halves, with what pairing needs to know."""

    photos: Sequence[str]
    halves: Mapping[str, HalfFacts] = {}


class Bag(Struct, frozen=True, kw_only=True):
    """One round. With an `interval` in seconds, entry 0 is shown in slot `first_slot`, each slot one interval long.

    Without one, `shown` counts the entries that were given. `before` is the last entry of the round before,
    `halves` how many photos could be halves when the entries were chosen.
    """

    seed: str
    epoch: int = 1
    interval: int = 0
    first_slot: int = 0
    shown: int = 0
    entries: tuple[Entry, ...] = ()
    before: Entry = ()
    halves: int = 0
    version: int = 1


def slot_at(interval: int, now: float) -> int:
    """The number of the slot of time that `now` (seconds since the epoch) is in."""
    return int(now // interval)


def position(bag: Bag, now: float) -> int:
    """The place of the entry that is due: on the screen with an interval, to be given at the next call without.

    At the end of the round it is the number of entries, or more.
    """
    if bag.interval:
        return max(0, slot_at(bag.interval, now) - bag.first_slot)
    return bag.shown


def is_current(bag: Bag, interval: int, photos: frozenset[str], halves: frozenset[str], now: float) -> bool:
    """Whether the bag can be shown from as it is."""
    if bag.interval != interval or bag.halves != len(halves):
        return False
    if {photo for entry in bag.entries for photo in entry} != photos:
        return False
    place = position(bag, now)
    if place >= len(bag.entries):
        return not photos
    return all(len(entry) == 1 or halves.issuperset(entry) for entry in bag.entries[place:])


def to_be_compared(bag: Bag | None, photos: frozenset[str], halves: frozenset[str], now: float) -> frozenset[str]:
    """The halves that `brought_up` may look for partners of: all at the end of a round."""
    if bag is None or (place := position(bag, now)) >= len(bag.entries):
        return halves
    settled = {photo for entry in bag.entries[:place] for photo in entry}
    for entry in bag.entries[place:]:
        if len(entry) > 1 and halves.issuperset(entry):
            settled.update(entry)
    for entry in bag.entries[place : _kept(bag, place)]:
        settled.update(_left(entry, photos)[:1])  # who stays on the screen, alone if it has to
    return halves - settled


def first_round(seed: str, interval: int, library: Library, now: float) -> Bag:
    """The bag of a device that had none."""
    slot = slot_at(interval, now) if interval else 0
    return _round(Bag(seed=seed, epoch=0, interval=interval, first_slot=slot, version=0), library, slot)


def brought_up(bag: Bag, interval: int, library: Library, now: float) -> Bag:
    """The bag for this interval, these photos and this moment."""
    place = position(bag, now)
    if place >= len(bag.entries):
        bag = msgspec.structs.replace(bag, interval=interval, first_slot=_aligned(bag, interval, now))
        return following_round(bag, library, now)
    changed = _with_photos(bag, place, library)
    if not changed.entries:
        return _placed(changed, interval, 0, now)
    place = changed.shown
    if place >= len(changed.entries):
        return following_round(_placed(changed, interval, place, now), library, now)
    return _placed(changed, interval, place, now)


def following_round(bag: Bag, library: Library, now: float | None = None) -> Bag:
    """The round after this one. Without `now` it begins where this one ends.

    With `now`, a round that would be over already, since nobody has asked for so long, begins at this moment.
    """
    begins = bag.first_slot + len(bag.entries) if bag.interval else 0
    made = _round(bag, library, begins)
    if now is not None and bag.interval:
        slot = slot_at(bag.interval, now)
        if not begins <= slot < begins + len(made.entries):
            made = msgspec.structs.replace(made, first_slot=slot)
    return made


def rounds(bag: Bag, library: Library) -> Iterator[Bag]:
    """This round and those that follow, without end."""
    while True:
        yield bag
        bag = following_round(bag, library)


def _aligned(bag: Bag, interval: int, now: float) -> int:
    """The first slot of a bag that is at its end, counted in slots of another interval."""
    if interval == bag.interval:
        return bag.first_slot
    return slot_at(interval, now) - len(bag.entries) if interval else 0


def _placed(bag: Bag, interval: int, place: int, now: float) -> Bag:
    first = slot_at(interval, now) - place if interval else 0
    return msgspec.structs.replace(bag, interval=interval, first_slot=first, shown=0 if interval else place)


def _round(bag: Bag, library: Library, first_slot: int) -> Bag:
    """The round after `bag`, made of the whole library."""
    epoch = bag.epoch + 1
    order: list[Entry] = [(photo,) for photo in shuffled(library.photos, bag.seed, epoch)]
    before = bag.entries[-1] if bag.entries else bag.before
    return msgspec.structs.replace(
        bag,
        epoch=epoch,
        first_slot=first_slot,
        shown=0,
        before=before,
        entries=tuple(apart(before, paired(order, library.halves))),
        halves=len(library.halves),
        version=bag.version + 1,
    )


def _kept(bag: Bag, place: int) -> int:
    """How many entries stay as they are: those that were shown, and the one that is on the screen."""
    return place + 1 if bag.interval else place


def _with_photos(bag: Bag, place: int, library: Library) -> Bag:
    """The round with the photos of the library: who is gone leaves, who is new comes soon. `shown` is the new place."""
    present = set(library.photos)
    kept = _kept(bag, place)
    done = [left for entry in bag.entries[:place] if (left := _left(entry, present))]
    shown = [left for entry in bag.entries[place:kept] if (left := _left(entry, present))]
    rest = [left for entry in bag.entries[kept:] if (left := _left(entry, present))]
    known = {photo for entry in bag.entries for photo in entry}
    new: list[Entry] = [
        (photo,) for photo in shuffled((one for one in library.photos if one not in known), bag.seed, bag.epoch)
    ]
    split = [part for entry in [*shown, *rest] for part in _parts(entry, library.halves)]
    shown, rest = split[: len(shown)], split[len(shown) :]
    entries = shown + paired(woven(new, rest), library.halves)
    if not done and not shown:
        entries = apart(bag.before, entries)
    return msgspec.structs.replace(
        bag, entries=(*done, *entries), shown=len(done), halves=len(library.halves), version=bag.version + 1
    )


def _left(entry: Entry, present: Set[str]) -> Entry:
    return tuple(photo for photo in entry if photo in present)


def _parts(entry: Entry, halves: Mapping[str, HalfFacts]) -> list[Entry]:
    """The entry, or its photos one by one if not both of them are halves any more."""
    if len(entry) == 1 or all(photo in halves for photo in entry):
        return [entry]
    return [(photo,) for photo in entry]


def apart(before: Entry, entries: list[Entry]) -> list[Entry]:
    """The entries so that the first shows no photo of `before`, wherever there is another photo at all."""
    seen = set(before)
    if not entries or seen.isdisjoint(entries[0]):
        return entries
    for place, entry in enumerate(entries):
        if seen.isdisjoint(entry):
            return [entry, *entries[1:place], entries[0], *entries[place + 1 :]]
    for place, entry in enumerate(entries):
        for photo in entry:
            if photo not in seen:  # its partner was shown just now
                rest: list[Entry] = [*entries[:place], *entries[place + 1 :]]
                return [(photo,), *rest, tuple(one for one in entry if one != photo)]
    return entries


def shuffled(image_ids: Iterable[str], seed: str, epoch: int) -> list[str]:
    """The ids in the order of this seed and round, however they come.

    Each one's place is its hash together with seed and round, so that a photo that is added or goes moves no other.
    """
    salt = f"{seed}/{epoch}/".encode()
    return sorted(image_ids, key=lambda image_id: hashlib.blake2b(salt + image_id.encode(), digest_size=16).digest())


def woven(new: list[tuple[str, ...]], others: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """New entries come soon: they take every second place from the first on, until all have one."""
    shared = min(len(new), len(others))
    mixed = [entry for both in zip(new, others, strict=False) for entry in both]
    return mixed + new[shared:] + others[shared:]
