"""The order of entries in one cycle: each photo once, no photo twice in a row, new photos every second turn, pairs."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.playlist.pairs import LOOKAHEAD, PairingFacts
from backend.playlist.shuffle_queue import (
    MAX_SLOTS_PASSED,
    NEW,
    RANK_BITS,
    Place,
    Planned,
    Position,
    QueuedPhoto,
    entries_due,
    next_rank,
    plan,
)


def photo(name: str, *, cycle: int = 1, pairable: bool = False) -> QueuedPhoto:
    return QueuedPhoto(name, Place(cycle, 0, 0), pairable)


def names(planned: list[Planned]) -> list[str]:
    return ["+".join(entry.entry) for entry in planned]


def planned(
    waiting: str, new: str = "", pairable: str = "", before: tuple[str, ...] = (), was_new: bool = False
) -> list[str]:
    queued = [[photo(name, pairable=name in pairable) for name in some] for some in (new, waiting)]
    return names(list(plan(*queued, {}, before=before, was_new=was_new)))


photos = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16).map("".join)


@settings(max_examples=300, deadline=None)
@given(photos, photos, st.sets(st.sampled_from("abcdefghijklmnop")), photos.map(lambda text: text[:2]), st.booleans())
def test_plan_contains_every_photo_once_and_repeats_none_in_a_row(
    waiting: str, new: str, pairable: set[str], before: str, was_new: bool
) -> None:
    new = "".join(name for name in new if name not in waiting)
    entries = planned(waiting, new, "".join(pairable), tuple(before), was_new)
    shown = [name for entry in entries for name in entry.split("+")]
    assert sorted(shown) == sorted(waiting + new)
    for entry in entries:
        assert len(entry) == 1 or set(entry.split("+")) <= pairable
    if set(waiting + new) - set(before):
        assert set(before).isdisjoint(entries[0].split("+"))
    for one, other in pairwise(entries):
        assert set(one.split("+")).isdisjoint(other.split("+"))


def test_plan_alternates_new_and_waiting_photos() -> None:
    assert planned("abcd", new="XYZ") == ["X", "a", "Y", "b", "Z", "c", "d"]
    assert planned("abcd", new="XYZ", was_new=True) == ["a", "X", "b", "Y", "c", "Z", "d"]
    assert planned("", new="XYZ", was_new=True) == ["X", "Y", "Z"]


def test_plan_begins_with_another_photo_than_the_last_entry() -> None:
    assert planned("abc", before=("a",)) == ["b", "a", "c"]
    assert planned("a", before=("a",)) == ["a"]
    assert planned("ab", before=("a", "b"), pairable="ab") == ["a+b"]
    assert planned("abc", before=("a",), pairable="abc") == ["b+c", "a"]


def test_plan_pairs_the_next_pairable_photos() -> None:
    assert planned("axbcd", pairable="abcd") == ["a+b", "x", "c+d"]
    assert planned("axb", pairable="a") == ["a", "x", "b"]


def test_plan_compares_only_the_lookahead() -> None:
    red, blue = (PairingFacts(msgspec.json.encode({colour: 9})) for colour in ("#F00000", "#0000F0"))
    waiting = [photo(f"p{number:02}", pairable=True) for number in range(LOOKAHEAD + 2)]
    facts = {one.id: blue for one in waiting} | {waiting[0].id: red, waiting[-1].id: red}
    first = next(plan((), waiting, facts, before=(), was_new=False))
    assert first.entry == ("p00", "p01")
    nearer = next(plan((), waiting[:1] + waiting[2:], facts, before=(), was_new=False))
    assert nearer.entry == ("p00", waiting[-1].id)


def test_plan_continues_as_announced() -> None:
    """The entries that follow an entry are the same when they are planned after it was shown."""
    new, waiting = ([photo(name, pairable=name in "abdeXZ") for name in some] for some in ("WXYZ", "abcdefg"))
    entries = list(plan(new, waiting, {}, before=("g",), was_new=True))
    for index, shown in enumerate(entries):
        gone = {one.id for entry in entries[: index + 1] for one in entry.photos}
        rest = [[one for one in some if one.id not in gone] for some in (new, waiting)]
        assert list(plan(*rest, {}, before=shown.entry, was_new=shown.is_new)) == entries[index + 1 :]


@pytest.mark.parametrize(
    ("position", "interval", "now", "steps"),
    [
        (Position(), 60, 600.0, 1),  # nothing shown yet
        (Position(entry=("a",), interval=60, slot=10), 60, 659.9, 0),
        (Position(entry=("a",), interval=60, slot=10), 60, 660.0, 1),
        (Position(entry=("a",), interval=60, slot=10), 60, 840.0, 4),
        (Position(entry=("a",), interval=60, slot=10), 60, 600.0 + 60 * MAX_SLOTS_PASSED, MAX_SLOTS_PASSED),
        (Position(entry=("a",), interval=60, slot=10), 60, 660.0 + 60 * MAX_SLOTS_PASSED, 1),  # no frame was showing
        (Position(entry=("a",), interval=60, slot=10), 60, 0.0, 0),  # the clock was set back
        (Position(entry=("a",), interval=30, slot=10), 60, 9e9, 0),  # another interval: the photo stays on the screen
        (Position(entry=("a",)), 60, 600.0, 1),  # an interval for the first time
    ],
)
def test_entries_due(position: Position, interval: int, now: float, steps: int) -> None:
    assert entries_due(position, interval, now) == steps


def test_next_rank_differs_by_seed_cycle_and_photo() -> None:
    ranks = [next_rank(seed, cycle, name) for seed in "ab" for cycle in (2, 3) for name in ("0" * 32, "1" * 32)]
    assert len(set(ranks)) == 8
    assert all(0 <= rank < 1 << RANK_BITS for rank in ranks)
    assert NEW == 0
