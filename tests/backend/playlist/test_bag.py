"""Property tests of the shuffle queue: every photo once per cycle, none twice in a row, new ones soon."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.playlist import shuffle_queue
from backend.playlist.pairs import PairingFacts
from backend.playlist.shuffle_queue import Library, ShuffleQueue

COLOURS = ("#FF0000", "#00FF00", "#0000FF", "#808080", "#FFFFFF")
START = 1_000_000.0


class Photo(NamedTuple):
    number: int
    is_pairable: bool
    facts: PairingFacts

    @property
    def id(self) -> str:
        return f"{self.number:032x}"


facts = st.builds(
    PairingFacts,
    st.one_of(
        st.none(),
        st.dictionaries(st.sampled_from(COLOURS), st.integers(1, 9), min_size=1, max_size=3).map(msgspec.json.encode),
    ),
    st.one_of(st.none(), st.integers(0, 100_000).map(float)),
)
ALIKE = PairingFacts(msgspec.json.encode({"#102030": 5}), 5.0)


def photos_with(
    is_pairable: st.SearchStrategy[bool], known: st.SearchStrategy[PairingFacts]
) -> st.SearchStrategy[list[Photo]]:
    return st.lists(
        st.builds(Photo, st.integers(0, 60), is_pairable, known), max_size=30, unique_by=lambda photo: photo.number
    )


libraries = st.one_of(
    photos_with(st.booleans(), facts),
    photos_with(st.just(False), facts),  # no pairable photo
    photos_with(st.just(True), facts),  # only pairable photos
    photos_with(st.just(True), st.just(ALIKE)),  # all equal
    st.lists(st.builds(Photo, st.just(7), st.booleans(), facts), max_size=1),  # none, or one
)
intervals = st.sampled_from([0, 1, 300])
seeds = st.text("0123456789abcdef", min_size=1, max_size=8)


def library_of(photos: list[Photo]) -> Library:
    return Library([photo.id for photo in photos], {photo.id: photo.facts for photo in photos if photo.is_pairable})


def is_current(queue: ShuffleQueue, library: Library, now: float) -> bool:
    return shuffle_queue.is_current(queue, queue.interval, frozenset(library.photos), frozenset(library.pairable), now)


def flat(entries: tuple[tuple[str, ...], ...]) -> list[str]:
    return [photo for entry in entries for photo in entry]


def check(queue: ShuffleQueue, library: Library, *, begun: bool = False, index: int = 0) -> None:
    """Check the invariants of every cycle.

    Entries before `index` were shown already, so their photos need not be pairable any more. If the cycle had
    `begun` when the photos changed, its first entry may repeat a photo of the previous cycle.
    """
    assert sorted(flat(queue.entries)) == sorted(library.photos)  # each photo once, so never paired with itself
    for number, entry in enumerate(queue.entries):
        assert len(entry) in (1, 2)
        if len(entry) == 2 and number >= index:
            assert set(entry) <= set(library.pairable)
    seen = set(queue.before)
    if queue.entries and set(library.photos) - seen and not begun:
        assert seen.isdisjoint(queue.entries[0])


Trial = Callable[[int], None]
"""Checks a property with the given number of examples."""


def property_of(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Trial]:
    """Return a decorator for a property that runs with few and with many examples in one process."""

    def decorate(check_property: Callable[..., None]) -> Trial:
        @functools.wraps(check_property)
        def run(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(*strategies)(check_property))()

        return run

    return decorate


@property_of(libraries, seeds, intervals)
def cycles_show_every_photo_once(photos: list[Photo], seed: str, interval: int) -> None:
    library = library_of(photos)
    first = shuffle_queue.first_cycle(seed, interval, library, START)
    assert first == shuffle_queue.first_cycle(seed, interval, library, START)
    queues = list(itertools.islice(shuffle_queue.cycles(first, library), 4))
    for queue, following in itertools.pairwise(queues):
        check(queue, library)
        assert following.cycle == queue.cycle + 1
        assert following.before == (queue.entries[-1] if queue.entries else queue.before)
        if interval:
            assert following.first_slot == queue.first_slot + len(queue.entries)
    if len(photos) > 1:
        singles = [entry[0] for entry in first.entries if len(entry) == 1 and entry[0] in library.pairable]
        assert len(singles) <= 2  # an odd one, or a pair that was separated at the start of the cycle


@property_of(libraries, libraries, seeds, intervals, st.integers(0, 40))
def refresh_adds_and_removes_photos(
    before: list[Photo], after: list[Photo], seed: str, interval: int, steps: int
) -> None:
    old, new = library_of(before), library_of(after)
    queue = shuffle_queue.first_cycle(seed, interval, old, START)
    index = min(steps, len(queue.entries))
    now = START + index * interval
    if not interval:
        queue = msgspec.structs.replace(queue, shown=index)
    changed = shuffle_queue.refresh(queue, interval, new, now)
    position = shuffle_queue.position(changed, now)
    check(changed, new, index=position)
    assert is_current(changed, new, now)
    if changed.cycle != queue.cycle:  # the cycle was over, or no photo of it was left
        assert position == 0
        return
    # Shown photos stay before the position, and the photo on the screen stays on it.
    gone = set(old.photos) - set(new.photos)
    done = [photo for photo in flat(queue.entries[:index]) if photo not in gone]
    assert flat(changed.entries[:position]) == done
    if interval and index < len(queue.entries) and queue.entries[index][0] in new.photos:
        assert changed.entries[position][0] == queue.entries[index][0]
    # All other photos are still to come; every second entry is a new photo.
    upcoming = flat(changed.entries[position:])
    assert sorted(done + upcoming) == sorted(new.photos)
    fresh = set(new.photos) - set(old.photos)
    if fresh and not new.pairable:
        first = next(number for number, photo in enumerate(upcoming) if photo in fresh)
        assert first <= 1 + bool(interval)


@property_of(libraries, seeds, st.sampled_from([1, 60, 300]), st.lists(st.integers(0, 5_000), max_size=12))
def time_alone_decides_the_entry(photos: list[Photo], seed: str, interval: int, steps: list[int]) -> None:
    """A client that polls often and one that polls once receive the same entry in the same slot."""
    library = library_of(photos)
    queue = shuffle_queue.first_cycle(seed, interval, library, START)
    now = START
    for step in steps:
        now += step
        if not is_current(queue, library, now):
            queue = shuffle_queue.refresh(queue, interval, library, now)
        assert is_current(queue, library, now)
        index = shuffle_queue.position(queue, now)
        assert index < len(queue.entries) or not photos
        begins = shuffle_queue.slot_at(interval, now) * interval
        assert shuffle_queue.position(queue, max(begins, queue.first_slot * interval)) == index
        assert shuffle_queue.position(queue, begins + interval - 0.001) == index


@property_of(libraries, seeds, intervals, intervals, st.integers(0, 40))
def changed_interval_keeps_the_position(photos: list[Photo], seed: str, before: int, after: int, steps: int) -> None:
    library = library_of(photos)
    queue = shuffle_queue.first_cycle(seed, before, library, START)
    index = min(steps, max(0, len(queue.entries) - 1))
    now = START + index * before
    if not before:
        queue = msgspec.structs.replace(queue, shown=index)
    changed = shuffle_queue.refresh(queue, after, library, now)
    assert changed.interval == after
    if photos:
        assert changed.entries == queue.entries or library.pairable
        assert shuffle_queue.position(changed, now) == index


@property_of(libraries, libraries, seeds, intervals, st.integers(0, 40))
def pairing_candidates_are_sufficient(
    before: list[Photo], after: list[Photo], seed: str, interval: int, steps: int
) -> None:
    """Pairing facts of the candidates alone lead to the same queue as those of all photos."""
    old, new = library_of(before), library_of(after)
    queue = shuffle_queue.first_cycle(seed, interval, old, START)
    index = min(steps, len(queue.entries))
    now = START + index * interval
    if not interval:
        queue = msgspec.structs.replace(queue, shown=index)
    candidates = shuffle_queue.pairing_candidates(queue, frozenset(new.photos), frozenset(new.pairable), now)
    known = {photo: facts if photo in candidates else PairingFacts() for photo, facts in new.pairable.items()}
    some = Library(new.photos, known)
    whole, part = (shuffle_queue.refresh(queue, interval, library, now) for library in (new, some))
    if whole.cycle == queue.cycle:
        assert part == whole


PROPERTIES = (
    cycles_show_every_photo_once,
    refresh_adds_and_removes_photos,
    time_alone_decides_the_entry,
    changed_interval_keeps_the_position,
    pairing_candidates_are_sufficient,
)


@pytest.mark.parametrize("check_property", PROPERTIES, ids=lambda check_property: check_property.__name__)
def test_shuffle_queue_keeps_property_for_any_library(check_property: Trial) -> None:
    check_property(40)


@pytest.mark.long
@pytest.mark.parametrize("check_property", PROPERTIES, ids=lambda check_property: check_property.__name__)
def test_shuffle_queue_keeps_property_for_thousands_of_libraries(check_property: Trial) -> None:
    check_property(4000)


@pytest.mark.parametrize(
    ("interval", "pairable", "candidates"),
    [(0, "ac", "ac"), (0, "abc", "c"), (60, "bc", "bc"), (60, "ac", "c"), (60, "abc", "c")],
)
def test_pairing_candidates_include_photos_without_partner(interval: int, pairable: str, candidates: str) -> None:
    """With an interval, the pair is on the screen and its first photo stays there."""
    queue = ShuffleQueue(seed="", interval=interval, first_slot=0, entries=(("a", "b"), ("c",)), pairable=3)
    assert shuffle_queue.pairing_candidates(queue, frozenset("abc"), frozenset(pairable), 0.0) == set(candidates)


def test_refresh_keeps_invariants_for_thousands_of_small_libraries() -> None:
    """Check every cycle and change of random libraries, without hypothesis' search for a minimal example."""
    random = Random(7)
    for number in range(2500):
        interval = random.choice((0, 60))
        before, after = (random.sample(range(8), random.randrange(9)) for _ in range(2))
        pairable = {f"{one:032x}": PairingFacts() for one in range(8) if random.random() < (number % 5) / 4}
        old, new = (
            Library(ids, {photo: pairable[photo] for photo in ids if photo in pairable})
            for ids in ([f"{one:032x}" for one in some] for some in (before, after))
        )
        queue = shuffle_queue.first_cycle(str(number), interval, old, START)
        for _ in range(2):
            check(queue, old)
            queue = shuffle_queue.next_cycle(queue, old)
        check(queue, old)
        index = random.randrange(len(queue.entries) + 1)
        if not interval:
            queue = msgspec.structs.replace(queue, shown=index)
        now = START + (queue.first_slot - START // 60 + index) * 60 if interval else START
        changed = shuffle_queue.refresh(queue, interval, new, now)
        on_screen = set(queue.entries[index]) if interval and index < len(queue.entries) else set()
        begun = shuffle_queue.position(changed, now) > 0 or not on_screen.isdisjoint(
            changed.entries[0] if changed.entries else ()
        )
        check(changed, new, begun=begun)
        assert is_current(changed, new, now)


def test_position_with_clock_set_back_is_the_first_entry() -> None:
    library = Library([f"{number:032x}" for number in range(5)])
    queue = shuffle_queue.first_cycle("a", 60, library, START)
    assert shuffle_queue.position(queue, START - 100_000) == 0


def test_refresh_after_long_silence_begins_a_cycle_now() -> None:
    library = Library([f"{number:032x}" for number in range(5)])
    queue = shuffle_queue.first_cycle("a", 60, library, START)
    later = shuffle_queue.refresh(queue, 60, library, START + 3600)
    assert (later.cycle, shuffle_queue.position(later, START + 3600)) == (2, 0)


def test_refresh_alternates_new_and_waiting_photos() -> None:
    waiting = [f"{number:032x}" for number in range(10)]
    queue = shuffle_queue.first_cycle("a", 0, Library(waiting), START)
    arrived = [f"{number:032x}" for number in range(100, 104)]
    changed = shuffle_queue.refresh(queue, 0, Library([*waiting, *arrived]), START)
    assert [entry[0] in arrived for entry in changed.entries[:8]] == [True, False] * 4
    assert [entry for entry in changed.entries if entry[0] in waiting] == list(queue.entries)
