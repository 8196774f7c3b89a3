"""Selection of the entries of one device, through one connection. Nothing is kept in memory between transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from sqlalchemy import Connection

from backend.database import shuffle_queues
from backend.database.devices import Device
from backend.playlist import shuffle_queue
from backend.playlist.filters import changes_with_time, matches
from backend.playlist.pairs import LOOKAHEAD, Entry, PairingFacts
from backend.playlist.shuffle_queue import NEW, Place, Planned, Position, QueuedPhoto
from contract.messages.frames import FrameFilters
from contract.split_screen import split_size

WINDOW = 256
"""Photos among which a partner is looked for. In few libraries the next pairable photos are further apart."""
MAX_AHEAD = 512
"""Photos of the current cycle and the next one that are read to find the entry that `after` names."""
FIRST_PHOTOS = 4
"""Photos that are read before it is known whether a partner is needed. The first ones may just have been shown."""
MAX_PAGES = 20
"""Pages that are read to find photos which filters still select."""
MAX_CYCLE = 2**31 - 1
"""The largest number of the column."""

CycleEntry = tuple[int, Entry]
"""The number of a cycle, and an entry of it."""
_Step = tuple[int, Planned]


def split_screen_size(device: Device) -> tuple[int, int] | None:
    """Return the size of a device's split-screen variants in pixels; None if the device shows no pairs."""
    return split_size(device.width, device.height, device.gap) if device.half_recipe else None


class Selection:
    """The queue of one device.

    Attributes:
        expired: Photos that were read but that the device's filters select no longer, because time has passed.
    """

    def __init__(self, connection: Connection, device: Device, now: float) -> None:
        """`now` is in seconds since the epoch."""
        self._connection = connection
        self._device = device
        self._now = now
        self._half = split_screen_size(device)
        filters = msgspec.convert(device.filters, FrameFilters) if device.filters else None
        self._filters = filters if filters is not None and changes_with_time(filters) else None
        self.expired: list[QueuedPhoto] = []

    def has_photos(self) -> bool:
        """Return True if the device has a photo to show."""
        return bool(self._read(1))

    def steps_due(self, position: Position) -> int:
        """Return by how many entries the device must advance to show what is due."""
        interval = self._device.interval_seconds
        if not interval:
            return 1
        present = any(shuffle_queues.is_selected(self._connection, self._device.key, photo) for photo in position.entry)
        return shuffle_queue.entries_due(position, interval, self._now) if present else 1

    def advance(self, position: Position, steps: int) -> tuple[Position, list[Place]]:
        """Return the position `steps` entries later, and the new places of the photos shown on the way.

        The entry of the returned position is empty if there is no photo.
        """
        interval = self._device.interval_seconds
        position = msgspec.structs.replace(position, interval=interval, slot=shuffle_queue.slot_at(interval, self._now))
        if not steps:
            return position, []
        passed = list(islice(self._from_head(position, 2 * steps + WINDOW if steps > 1 else FIRST_PHOTOS), steps))
        if steps == 1 and passed and self._half is not None and passed[0][1].photos[0].is_pairable:
            passed = list(islice(self._from_head(position, WINDOW), 1))
        moves = [
            Place(cycle + 1, shuffle_queue.next_rank(position.seed, cycle + 1, photo.id), photo.place.variant)
            for cycle, planned in passed
            for photo in planned.photos
        ]
        if not passed:
            return msgspec.structs.replace(position, entry=(), was_new=False), []
        cycle, planned = passed[-1]
        position = msgspec.structs.replace(
            position, cycle=cycle, entry=planned.entry, entry_cycle=cycle, was_new=planned.is_new
        )
        return position, moves

    def upcoming(self, position: Position, after: str | None, count: int) -> list[CycleEntry]:
        """Return up to `count` entries without duplicates: from the current entry on, or after the entry `after`."""
        entries = None
        if after is not None:
            cycle_text, _, image = after.rpartition(".")
            is_cycle = cycle_text.isascii() and cycle_text.isdigit() and len(cycle_text) < 10
            cycle = int(cycle_text) if is_cycle else position.cycle
            if image.isascii() and image.isalnum():
                entries = self._after(position, cycle, image, count)
        if entries is None:
            entries = self._from_current(position, count)
        return _without_duplicates(entries, count)

    def _from_current(self, position: Position, count: int) -> Iterator[CycleEntry]:
        """Yield the entries from the current one on: with an interval the one on the screen, else the next one."""
        steps = self.steps_due(position)
        if not steps:
            yield position.entry_cycle, position.entry
            steps = 1
        limit = 2 * (count + steps) + WINDOW
        yield from _entries(islice(self._from_head(position, limit), steps - 1, None))

    def _after(self, position: Position, cycle: int, image: str, count: int) -> Iterator[CycleEntry] | None:
        """Return the entries behind that of `image` in `cycle`; None if this entry is unknown or was shown before."""
        limit = MAX_AHEAD + 2 * count + WINDOW
        if cycle == position.entry_cycle and any(photo.startswith(image) for photo in position.entry):
            return _entries(self._from_head(position, limit))
        place = shuffle_queues.find_photo(self._connection, self._device.key, image)
        if place is None or cycle < position.cycle:
            return None
        steps = list(self._from_head(position, limit))
        for index, (found, planned) in enumerate(steps[:MAX_AHEAD], 1):
            if found == cycle and any(photo.id.startswith(image) for photo in planned.photos):
                return self._chained(position, steps, index)
        if cycle == position.cycle < place.cycle:
            return None  # shown in this cycle already
        return self._far_ahead(position, cycle, place, image, count)

    def _from_head(self, position: Position, limit: int) -> Iterator[_Step]:
        """Yield the entries that follow the position in this cycle and the next one, with their cycle.

        `limit` is the number of photos of each kind that are read. The entries end where they are cut off.
        """
        cycle = position.cycle
        first = self._read(min(limit, FIRST_PHOTOS), last_cycle=cycle)
        if not first:
            cycle += 1
        new: Sequence[QueuedPhoto] = ()
        if first and first[0].place.cycle == NEW:
            new = self._read(limit, last_cycle=NEW)
        if limit > FIRST_PHOTOS or new or not first:
            waiting = self._read(limit, first_cycle=NEW + 1, last_cycle=cycle)
        else:
            waiting = first
        before, was_new = position.entry, position.was_new
        for planned in self._plan(new, waiting, limit, before, was_new):
            yield cycle, planned
            before, was_new = planned.entry, planned.is_new
        if max(len(new), len(waiting)) >= limit:
            return
        later = self._read(limit, first_cycle=cycle + 1)
        again = [self._in_next_cycle(position.seed, cycle, photo) for photo in (*new, *waiting)]
        if len(later) >= limit:
            again = [photo for photo in again if photo.place < later[-1].place]
        ordered = sorted((*later, *again), key=lambda photo: photo.place)
        for planned in self._plan((), ordered, limit, before, was_new):
            yield cycle + 1, planned

    @staticmethod
    def _in_next_cycle(seed: str, cycle: int, photo: QueuedPhoto) -> QueuedPhoto:
        rank = shuffle_queue.next_rank(seed, cycle + 1, photo.id)
        return photo._replace(place=Place(cycle + 1, rank, photo.place.variant))

    def _plan(
        self, new: Sequence[QueuedPhoto], waiting: Sequence[QueuedPhoto], limit: int, before: Entry, was_new: bool
    ) -> Iterator[Planned]:
        facts: dict[str, PairingFacts] = {}
        if self._half is not None and limit > FIRST_PHOTOS:
            ordered = shuffle_queue.in_turn(new, waiting, new_first=True)
            # An entry uses at most two photos, and its first photo is compared with `LOOKAHEAD` others.
            wanted = islice((photo.id for photo in ordered if photo.is_pairable), limit - WINDOW + 2 * LOOKAHEAD)
            facts = shuffle_queues.pairing_facts(self._connection, list(wanted))
        yield from shuffle_queue.plan(new, waiting, facts, before=before, was_new=was_new)

    def _chained(self, position: Position, steps: Sequence[_Step], index: int) -> Iterator[CycleEntry]:
        """Yield the steps from `index` on, then those of the cycle that follows them."""
        yield from _entries(steps[index:])
        library = self._read(MAX_AHEAD + 1)
        if len(library) <= MAX_AHEAD:
            cycle, last = steps[-1]
            yield from self._whole_cycle(position.seed, cycle + 1, library, last.entry)

    def _whole_cycle(
        self, seed: str, cycle: int, library: Sequence[QueuedPhoto], before: Entry
    ) -> Iterator[CycleEntry]:
        """Yield the entries of a later cycle of a small library, which follow from the seed alone."""
        ordered = sorted(library, key=lambda photo: shuffle_queue.next_rank(seed, cycle, photo.id))
        for planned in self._plan((), ordered, WINDOW + 2 * len(ordered), before, False):
            yield cycle, planned.entry

    def _far_ahead(self, position: Position, cycle: int, place: Place, image: str, count: int) -> Iterator[CycleEntry]:
        """Yield the entries behind a photo that is not among the next `MAX_AHEAD`."""
        library = self._read(MAX_AHEAD + 1)
        if len(library) <= MAX_AHEAD:
            before = [entry for _, entry in self._whole_cycle(position.seed, cycle - 1, library, ())]
            entries = list(self._whole_cycle(position.seed, cycle, library, before[-1] if before else ()))
            yield from _behind(entries, image)
            yield from self._whole_cycle(position.seed, cycle + 1, library, entries[-1][1])
            return
        # Without the whole library, later cycles have the order of the stored places: first the photos of the next
        # cycle, then those of this one. Pairs are planned from some photos in front of the one that is looked for.
        limit = 2 * count + WINDOW
        parts = self._parts(position, cycle)
        own = next((number for number, (first, last) in enumerate(parts) if first <= place.cycle <= last), 0)
        in_front = place._replace(variant=place.variant - 1)
        for part, (first, last) in enumerate(parts[own:]):
            if part == 0:
                photos = self._read(WINDOW, before=place, first_cycle=first, last_cycle=last)
                photos += self._read(limit, after=in_front, first_cycle=first, last_cycle=last)
            elif len(photos) < limit:
                photos += self._read(limit, first_cycle=first, last_cycle=last)
        planned = [(cycle, planned.entry) for planned in self._plan((), photos, limit, (), False)]
        yield from _behind(planned, image)
        if len(photos) < limit:
            (first, last), *_ = self._parts(position, cycle + 1)
            following = self._read(limit, first_cycle=first, last_cycle=last)
            for step in self._plan((), following, limit, planned[-1][1] if planned else (), False):
                yield cycle + 1, step.entry

    @staticmethod
    def _parts(position: Position, cycle: int) -> list[tuple[int, int]]:
        """Return the ranges of stored cycles whose photos make up a cycle, in order."""
        if cycle <= position.cycle:
            return [(NEW + 1, position.cycle), (NEW, NEW)]
        return [(position.cycle + 1, MAX_CYCLE), (NEW, position.cycle)]

    def _read(
        self,
        limit: int,
        *,
        after: Place | None = None,
        before: Place | None = None,
        first_cycle: int = NEW,
        last_cycle: int = MAX_CYCLE,
    ) -> list[QueuedPhoto]:
        """Return photos as `shuffle_queues.queued_photos` does, without those that have expired."""
        kept: list[QueuedPhoto] = []
        for _ in range(MAX_PAGES):
            photos = shuffle_queues.queued_photos(
                self._connection,
                self._device.key,
                self._half,
                limit,
                after=after,
                before=before,
                first_cycle=first_cycle,
                last_cycle=last_cycle,
            )
            if self._filters is None:
                return photos
            facts = shuffle_queues.photo_facts(self._connection, photos)
            for photo in photos:
                selected = photo.id in facts and matches(facts[photo.id], self._filters, self._now)
                (kept if selected else self.expired).append(photo)
            if len(kept) >= limit or len(photos) < limit or before is not None:
                break
            after = photos[-1].place
        return kept[:limit]


def _entries(steps: Iterable[_Step]) -> Iterator[CycleEntry]:
    for cycle, planned in steps:
        yield cycle, planned.entry


def _behind(entries: Sequence[CycleEntry], image: str) -> Iterator[CycleEntry]:
    """Yield the entries behind the first one that contains the photo."""
    found = (number for number, (_, entry) in enumerate(entries, 1) if any(photo.startswith(image) for photo in entry))
    yield from entries[next(found, 0) :]


def _without_duplicates(entries: Iterable[CycleEntry], count: int) -> list[CycleEntry]:
    chosen: list[CycleEntry] = []
    seen: set[str] = set()
    for cycle, entry in entries:
        if seen.isdisjoint(entry):
            chosen.append((cycle, entry))
            seen.update(entry)
            if len(chosen) == count:
                break
    return chosen
