"""Who shares a screen, which order a round has, and which photos pass a filter."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.playlist.bag import shuffled, woven
from backend.playlist.filters import PhotoFacts, hour_of, passes
from backend.playlist.pairs import LOOKAHEAD, HalfFacts, paired
from contract.messages.frames import FrameFilters
from contract.split_screen import half_size

ids = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), max_size=30, unique=True)


def told(colour: str, taken: float | None = None) -> HalfFacts:
    return HalfFacts(msgspec.json.encode({colour: 9}), taken)


def test_partners_have_the_nearest_colours() -> None:
    halves = {"a": told("#F00000"), "b": told("#0000F0"), "c": told("#E01010"), "d": told("#1010E0")}
    assert paired([(name,) for name in "abcd"], halves) == [("a", "c"), ("b", "d")]


def test_of_equal_colours_those_of_one_day_go_together() -> None:
    day = 86_400.0
    halves = {"a": told("#F00000", 0.0), "b": told("#F00000", 90 * day), "c": told("#F00000", 600.0)}
    assert paired([(name,) for name in "abc"], halves) == [("a", "c"), ("b",)]


def test_colours_that_are_far_apart_outweigh_the_same_minute() -> None:
    halves = {"a": told("#F00000", 0.0), "b": told("#0000F0", 0.0), "c": told("#F00000", 1e9)}
    assert paired([(name,) for name in "abc"], halves)[0] == ("a", "c")


def test_partners_are_sought_among_the_next_alone() -> None:
    names = [f"p{number:02}" for number in range(LOOKAHEAD + 4)]
    halves = {name: told("#0000F0") for name in names} | {names[0]: told("#F00000"), names[-1]: told("#F00000")}
    assert (names[0], names[-1]) not in paired([(name,) for name in names], halves)


def test_of_what_is_not_known_the_next_is_taken() -> None:
    halves = {name: HalfFacts() for name in "abcd"}
    assert paired([("a",), ("x",), ("b",), ("c",), ("d",)], halves) == [("a", "b"), ("x",), ("c", "d")]


def test_pairs_that_are_there_stay() -> None:
    halves = {name: told("#F00000") for name in "abcde"}
    assert paired([("a",), ("b", "c"), ("d",), ("e",)], halves) == [("a", "d"), ("b", "c"), ("e",)]


@settings(max_examples=30, deadline=None)
@given(ids, st.randoms(), st.integers(1, 5))
def test_the_order_is_that_of_its_seed_and_round(photos: list[str], random: object, epoch: int) -> None:
    order = shuffled(photos, "seed", epoch)
    assert sorted(order) == sorted(photos)
    mixed = list(photos)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert shuffled(mixed, "seed", epoch) == order
    assert [photo for photo in order if photo != (photos or [""])[0]] == shuffled(photos[1:], "seed", epoch)


def test_devices_and_rounds_have_orders_of_their_own() -> None:
    photos = [f"{number:032x}" for number in range(50)]
    orders = {tuple(shuffled(photos, seed, epoch)) for seed in "abcde" for epoch in range(4)}
    assert len(orders) == 20
    assert tuple(photos) not in orders


def test_new_entries_take_every_second_place() -> None:
    new, old = [("n1",), ("n2",)], [("o1",), ("o2",), ("o3",)]
    assert woven(new, old) == [("n1",), ("o1",), ("n2",), ("o2",), ("o3",)]
    assert woven(old, new[:1]) == [("o1",), ("n1",), ("o2",), ("o3",)]
    assert woven([], old) == old


PHOTO = PhotoFacts("portrait", "Holiday-17.JPG", 1_000_000.0, ("#F00000", "#202020"))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, True),
        ({"orientations": ("portrait", "square")}, True),
        ({"orientations": ("landscape",)}, False),
        ({"newest_days": 2}, True),
        ({"newest_days": 1}, False),
        ({"name": "holiday"}, True),
        ({"name": "party"}, False),
        ({"colour": "#E81010"}, True),
        ({"colour": "#0000F0"}, False),
        ({"colour": "#E81010", "colour_distance": 1.0}, False),
        ({"orientations": ("portrait",), "name": "party"}, False),
    ],
)
def test_a_photo_passes_all_filters_or_is_not_shown(filters: dict[str, object], expected: bool) -> None:
    wanted = FrameFilters(**filters)  # type: ignore[arg-type]
    assert passes(PHOTO, wanted, 1_000_000.0 + 1.5 * 86_400) is expected


def test_what_depends_on_time_is_asked_again_each_hour() -> None:
    assert hour_of(None, 5e9) == hour_of(FrameFilters(name="x"), 7e9)
    assert hour_of(FrameFilters(newest_days=1), 3600.0) != hour_of(FrameFilters(newest_days=1), 7200.0)


@pytest.mark.parametrize(
    ("width", "height", "gap", "expected"),
    [
        (800, 480, 0, (400, 480)),
        (800, 480, 10, (395, 480)),
        (801, 480, 10, (395, 480)),
        (480, 800, 10, (480, 395)),
        (1920, 1080, 16, (952, 1080)),
        (500, 500, 0, None),  # square
        (510, 500, 0, None),  # nearly
        (2500, 1000, 0, None),  # halves would be landscape themselves
        (100, 90, 99, None),  # all gap
    ],
)
def test_the_longer_side_is_divided(width: int, height: int, gap: int, expected: tuple[int, int] | None) -> None:
    assert half_size(width, height, gap) == expected
