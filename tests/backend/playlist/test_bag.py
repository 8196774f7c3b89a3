"""The shuffle bag over thousands of libraries: each photo once before any again, none twice in a row, new ones soon."""

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

from backend.playlist import bag as rules
from backend.playlist.bag import Bag, Library
from backend.playlist.pairs import HalfFacts

COLOURS = ("#FF0000", "#00FF00", "#0000FF", "#808080", "#FFFFFF")
START = 1_000_000.0


class Photo(NamedTuple):
    number: int
    is_half: bool
    facts: HalfFacts

    @property
    def id(self) -> str:
        return f"{self.number:032x}"


facts = st.builds(
    HalfFacts,
    st.one_of(
        st.none(),
        st.dictionaries(st.sampled_from(COLOURS), st.integers(1, 9), min_size=1, max_size=3).map(msgspec.json.encode),
    ),
    st.one_of(st.none(), st.integers(0, 100_000).map(float)),
)
ALIKE = HalfFacts(msgspec.json.encode({"#102030": 5}), 5.0)


def photos_with(
    is_half: st.SearchStrategy[bool], known: st.SearchStrategy[HalfFacts]
) -> st.SearchStrategy[list[Photo]]:
    return st.lists(
        st.builds(Photo, st.integers(0, 60), is_half, known), max_size=30, unique_by=lambda photo: photo.number
    )


libraries = st.one_of(
    photos_with(st.booleans(), facts),
    photos_with(st.just(False), facts),  # nothing that could be a half
    photos_with(st.just(True), facts),  # all portrait
    photos_with(st.just(True), st.just(ALIKE)),  # all alike
    st.lists(st.builds(Photo, st.just(7), st.booleans(), facts), max_size=1),  # none, or one
)
intervals = st.sampled_from([0, 1, 300])
seeds = st.text("0123456789abcdef", min_size=1, max_size=8)


def library_of(photos: list[Photo]) -> Library:
    return Library([photo.id for photo in photos], {photo.id: photo.facts for photo in photos if photo.is_half})


def level(bag: Bag, library: Library, now: float) -> bool:
    return rules.is_current(bag, bag.interval, frozenset(library.photos), frozenset(library.halves), now)


def flat(entries: tuple[tuple[str, ...], ...]) -> list[str]:
    return [photo for entry in entries for photo in entry]


def check(bag: Bag, library: Library, *, begun: bool = False, place: int = 0) -> None:
    """What holds of every round; of one that was `begun` when photos changed, the first entry has had its turn.

    Those before `place` were shown as what they were then: of their photos, none need be a half any more.
    """
    assert sorted(flat(bag.entries)) == sorted(library.photos)  # each once, and so nobody twice or with itself
    for number, entry in enumerate(bag.entries):
        assert len(entry) in (1, 2)
        if len(entry) == 2 and number >= place:
            assert set(entry) <= set(library.halves)
    seen = set(bag.before)
    if bag.entries and set(library.photos) - seen and not begun:
        assert seen.isdisjoint(bag.entries[0])


Trial = Callable[[int], None]
"""Tries a property with so many examples."""


def of(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Trial]:
    """A property that can be tried with few and with many examples in one process."""

    def decorate(holds: Callable[..., None]) -> Trial:
        @functools.wraps(holds)
        def tried(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(*strategies)(holds))()

        return tried

    return decorate


@of(libraries, seeds, intervals)
def rounds_follow_each_other_for_ever(photos: list[Photo], seed: str, interval: int) -> None:
    library = library_of(photos)
    first = rules.first_round(seed, interval, library, START)
    assert first == rules.first_round(seed, interval, library, START)
    made = list(itertools.islice(rules.rounds(first, library), 4))
    for bag, following in itertools.pairwise(made):
        check(bag, library)
        assert following.epoch == bag.epoch + 1
        assert following.before == (bag.entries[-1] if bag.entries else bag.before)
        if interval:
            assert following.first_slot == bag.first_slot + len(bag.entries)
    if len(photos) > 1:
        lonely = [entry[0] for entry in first.entries if len(entry) == 1 and entry[0] in library.halves]
        assert len(lonely) <= 2  # one too many, or one that was parted at the seam


@of(libraries, libraries, seeds, intervals, st.integers(0, 40))
def photos_come_and_go(before: list[Photo], after: list[Photo], seed: str, interval: int, steps: int) -> None:
    old, new = library_of(before), library_of(after)
    bag = rules.first_round(seed, interval, old, START)
    place = min(steps, len(bag.entries))
    now = START + place * interval
    if not interval:
        bag = msgspec.structs.replace(bag, shown=place)
    changed = rules.brought_up(bag, interval, new, now)
    position = rules.position(changed, now)
    check(changed, new, place=position)
    assert level(changed, new, now)
    if changed.epoch != bag.epoch:  # the round was over, or nothing of it was left
        assert position == 0
        return
    # What was shown stays behind, what is on the screen stays on it, and the others keep their turn.
    gone = set(old.photos) - set(new.photos)
    done = [photo for photo in flat(bag.entries[:place]) if photo not in gone]
    assert flat(changed.entries[:position]) == done
    if interval and place < len(bag.entries) and bag.entries[place][0] in new.photos:
        assert changed.entries[position][0] == bag.entries[place][0]
    # Everything else is still to come, the new ones soon: every second place is theirs.
    upcoming = flat(changed.entries[position:])
    assert sorted(done + upcoming) == sorted(new.photos)
    fresh = set(new.photos) - set(old.photos)
    if fresh and not new.halves:
        first = next(number for number, photo in enumerate(upcoming) if photo in fresh)
        assert first <= 1 + bool(interval)


@of(libraries, seeds, st.sampled_from([1, 60, 300]), st.lists(st.integers(0, 5_000), max_size=12))
def the_time_alone_says_what_is_shown(photos: list[Photo], seed: str, interval: int, steps: list[int]) -> None:
    """Two readers, one that asks often and one that asks once, are told the same in the same slot."""
    library = library_of(photos)
    bag = rules.first_round(seed, interval, library, START)
    now = START
    for step in steps:
        now += step
        if not level(bag, library, now):
            bag = rules.brought_up(bag, interval, library, now)
        assert level(bag, library, now)
        place = rules.position(bag, now)
        assert place < len(bag.entries) or not photos
        begins = rules.slot_at(interval, now) * interval
        assert rules.position(bag, max(begins, bag.first_slot * interval)) == place
        assert rules.position(bag, begins + interval - 0.001) == place


@of(libraries, seeds, intervals, intervals, st.integers(0, 40))
def another_interval_goes_on_where_the_device_was(
    photos: list[Photo], seed: str, before: int, after: int, steps: int
) -> None:
    library = library_of(photos)
    bag = rules.first_round(seed, before, library, START)
    place = min(steps, max(0, len(bag.entries) - 1))
    now = START + place * before
    if not before:
        bag = msgspec.structs.replace(bag, shown=place)
    changed = rules.brought_up(bag, after, library, now)
    assert changed.interval == after
    if photos:
        assert changed.entries == bag.entries or library.halves
        assert rules.position(changed, now) == place


@of(libraries, libraries, seeds, intervals, st.integers(0, 40))
def partners_are_sought_for_all_who_need_one(
    before: list[Photo], after: list[Photo], seed: str, interval: int, steps: int
) -> None:
    """Looking at those alone that may get a partner comes out as looking at all."""
    old, new = library_of(before), library_of(after)
    bag = rules.first_round(seed, interval, old, START)
    place = min(steps, len(bag.entries))
    now = START + place * interval
    if not interval:
        bag = msgspec.structs.replace(bag, shown=place)
    asked = rules.to_be_compared(bag, frozenset(new.photos), frozenset(new.halves), now)
    some = Library(new.photos, {photo: one if photo in asked else HalfFacts() for photo, one in new.halves.items()})
    whole, part = (rules.brought_up(bag, interval, library, now) for library in (new, some))
    if whole.epoch == bag.epoch:
        assert part == whole


PROPERTIES = (
    rounds_follow_each_other_for_ever,
    photos_come_and_go,
    the_time_alone_says_what_is_shown,
    another_interval_goes_on_where_the_device_was,
    partners_are_sought_for_all_who_need_one,
)


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_of_any_library(holds: Trial) -> None:
    holds(40)


@pytest.mark.long
@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_of_thousands_of_libraries(holds: Trial) -> None:
    holds(4000)


@pytest.mark.parametrize(
    ("interval", "halves", "asked"),
    [(0, "ac", "ac"), (0, "abc", "c"), (60, "bc", "bc"), (60, "ac", "c"), (60, "abc", "c")],
)
def test_who_loses_a_partner_is_looked_at_for_another_one(interval: int, halves: str, asked: str) -> None:
    """With an interval the pair is on the screen, and its first photo stays there."""
    bag = Bag(seed="", interval=interval, first_slot=0, entries=(("a", "b"), ("c",)), halves=3)
    assert rules.to_be_compared(bag, frozenset("abc"), frozenset(halves), 0.0) == set(asked)


@pytest.mark.slow
def test_of_thousands_of_small_libraries() -> None:
    """The same of every round and every change, without a search for the smallest library that breaks it."""
    random = Random(7)
    for number in range(2500):
        interval = random.choice((0, 60))
        before, after = (random.sample(range(8), random.randrange(9)) for _ in range(2))
        halves = {f"{one:032x}": HalfFacts() for one in range(8) if random.random() < (number % 5) / 4}
        old, new = (
            Library(ids, {photo: halves[photo] for photo in ids if photo in halves})
            for ids in ([f"{one:032x}" for one in some] for some in (before, after))
        )
        bag = rules.first_round(str(number), interval, old, START)
        for _ in range(2):
            check(bag, old)
            bag = rules.following_round(bag, old)
        check(bag, old)
        place = random.randrange(len(bag.entries) + 1)
        if not interval:
            bag = msgspec.structs.replace(bag, shown=place)
        now = START + (bag.first_slot - START // 60 + place) * 60 if interval else START
        changed = rules.brought_up(bag, interval, new, now)
        on_screen = set(bag.entries[place]) if interval and place < len(bag.entries) else set()
        begun = rules.position(changed, now) > 0 or not on_screen.isdisjoint(
            changed.entries[0] if changed.entries else ()
        )
        check(changed, new, begun=begun)
        assert level(changed, new, now)


def test_a_clock_that_is_set_back_shows_the_first_entry() -> None:
    library = Library([f"{number:032x}" for number in range(5)])
    bag = rules.first_round("a", 60, library, START)
    assert rules.position(bag, START - 100_000) == 0


def test_after_a_long_silence_a_round_begins_now() -> None:
    library = Library([f"{number:032x}" for number in range(5)])
    bag = rules.first_round("a", 60, library, START)
    later = rules.brought_up(bag, 60, library, START + 3600)
    assert (later.epoch, rules.position(later, START + 3600)) == (2, 0)


def test_many_new_photos_share_the_turns_with_those_that_wait() -> None:
    waiting = [f"{number:032x}" for number in range(10)]
    bag = rules.first_round("a", 0, Library(waiting), START)
    arrived = [f"{number:032x}" for number in range(100, 104)]
    changed = rules.brought_up(bag, 0, Library([*waiting, *arrived]), START)
    assert [entry[0] in arrived for entry in changed.entries[:8]] == [True, False] * 4
    assert [entry for entry in changed.entries if entry[0] in waiting] == list(bag.entries)
