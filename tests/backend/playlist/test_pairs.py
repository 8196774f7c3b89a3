"""Pairing, the order of a cycle, and the filters of a device."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.playlist.filters import PhotoFacts, filter_hour, matches
from backend.playlist.pairs import LOOKAHEAD, PairingFacts, paired
from backend.playlist.shuffle_queue import interleave, shuffled
from contract.messages.frames import FrameFilters
from contract.split_screen import split_size

ids = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), max_size=30, unique=True)


def facts_of(colour: str, taken: float | None = None) -> PairingFacts:
    return PairingFacts(msgspec.json.encode({colour: 9}), taken)


def test_paired_prefers_similar_colours() -> None:
    pairable = {"a": facts_of("#F00000"), "b": facts_of("#0000F0"), "c": facts_of("#E01010"), "d": facts_of("#1010E0")}
    assert paired([(name,) for name in "abcd"], pairable) == [("a", "c"), ("b", "d")]


def test_paired_with_equal_colours_prefers_the_same_day() -> None:
    day = 86_400.0
    pairable = {"a": facts_of("#F00000", 0.0), "b": facts_of("#F00000", 90 * day), "c": facts_of("#F00000", 600.0)}
    assert paired([(name,) for name in "abc"], pairable) == [("a", "c"), ("b",)]


def test_paired_weighs_different_colours_more_than_the_same_minute() -> None:
    pairable = {"a": facts_of("#F00000", 0.0), "b": facts_of("#0000F0", 0.0), "c": facts_of("#F00000", 1e9)}
    assert paired([(name,) for name in "abc"], pairable)[0] == ("a", "c")


def test_paired_considers_only_the_lookahead() -> None:
    names = [f"p{number:02}" for number in range(LOOKAHEAD + 4)]
    pairable = {name: facts_of("#F00000" if name in (names[0], names[-1]) else "#0000F0") for name in names}
    assert (names[0], names[-1]) not in paired([(name,) for name in names], pairable)


def test_paired_without_facts_takes_the_next_photo() -> None:
    pairable = {name: PairingFacts() for name in "abcd"}
    assert paired([("a",), ("x",), ("b",), ("c",), ("d",)], pairable) == [("a", "b"), ("x",), ("c", "d")]


def test_paired_keeps_existing_pairs() -> None:
    pairable = {name: facts_of("#F00000") for name in "abcde"}
    assert paired([("a",), ("b", "c"), ("d",), ("e",)], pairable) == [("a", "d"), ("b", "c"), ("e",)]


@settings(max_examples=30, deadline=None)
@given(ids, st.randoms(), st.integers(1, 5))
def test_shuffled_depends_on_seed_and_cycle_only(photos: list[str], random: object, cycle: int) -> None:
    order = shuffled(photos, "seed", cycle)
    assert sorted(order) == sorted(photos)
    mixed = list(photos)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert shuffled(mixed, "seed", cycle) == order
    assert [photo for photo in order if photo != (photos or [""])[0]] == shuffled(photos[1:], "seed", cycle)


def test_shuffled_orders_differ_between_seeds_and_cycles() -> None:
    photos = [f"{number:032x}" for number in range(50)]
    orders = {tuple(shuffled(photos, seed, cycle)) for seed in "abcde" for cycle in range(4)}
    assert len(orders) == 20
    assert tuple(photos) not in orders


def test_interleave_alternates_new_entries() -> None:
    new, old = [("n1",), ("n2",)], [("o1",), ("o2",), ("o3",)]
    assert interleave(new, old) == [("n1",), ("o1",), ("n2",), ("o2",), ("o3",)]
    assert interleave(old, new[:1]) == [("o1",), ("n1",), ("o2",), ("o3",)]
    assert interleave([], old) == old


PHOTO = PhotoFacts("portrait", "Holiday-17.JPG", 1_000_000.0, ("#F00000", "#202020"), 1_000_000.0 - 8 * 86_400)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, True),
        ({"orientations": ("portrait", "square")}, True),
        ({"orientations": ("landscape",)}, False),
        ({"newest_days": 2}, True),
        ({"newest_days": 1}, False),
        ({"taken_days": 10}, True),
        ({"taken_days": 8}, False),
        ({"taken_days": 10, "newest_days": 1}, False),
        ({"name": "holiday"}, True),
        ({"name": "party"}, False),
        ({"colour": "#E81010"}, True),
        ({"colour": "#0000F0"}, False),
        ({"colour": "#E81010", "colour_distance": 1.0}, False),
        ({"orientations": ("portrait",), "name": "party"}, False),
    ],
)
def test_matches_requires_all_filters(filters: dict[str, object], expected: bool) -> None:
    wanted = FrameFilters(**filters)  # type: ignore[arg-type]
    assert matches(PHOTO, wanted, 1_000_000.0 + 1.5 * 86_400) is expected


def test_matches_counts_from_the_upload_without_a_date() -> None:
    dateless = PhotoFacts("portrait", "scan.jpg", 1_000_000.0)
    assert matches(dateless, FrameFilters(taken_days=2), 1_000_000.0 + 86_400)
    assert not matches(dateless, FrameFilters(taken_days=2), 1_000_000.0 + 3 * 86_400)


def test_filter_hour_changes_only_with_a_filter_by_age() -> None:
    assert filter_hour(None, 5e9) == filter_hour(FrameFilters(name="x"), 7e9)
    assert filter_hour(FrameFilters(taken_days=1), 3600.0) != filter_hour(FrameFilters(taken_days=1), 7200.0)
    assert filter_hour(FrameFilters(newest_days=1), 3600.0) != filter_hour(FrameFilters(newest_days=1), 7200.0)


@pytest.mark.parametrize(
    ("width", "height", "gap", "expected"),
    [
        (800, 480, 0, (400, 480)),
        (800, 480, 10, (395, 480)),
        (801, 480, 10, (395, 480)),
        (480, 800, 10, (480, 395)),
        (1920, 1080, 16, (952, 1080)),
        (500, 500, 0, None),  # square
        (510, 500, 0, None),  # nearly square
        (2500, 1000, 0, None),  # each part would be landscape itself
        (100, 90, 99, None),  # only gutter
    ],
)
def test_half_size_divides_the_longer_side(width: int, height: int, gap: int, expected: tuple[int, int] | None) -> None:
    assert split_size(width, height, gap) == expected
