"""The choice of partners, the filters of a device, and the sizes of split screens."""

from __future__ import annotations

import msgspec
import pytest

from backend.playlist.filters import PhotoFacts, changes_with_time, matches
from backend.playlist.pairs import PairingFacts, Partners
from contract.messages.frames import FrameFilters
from contract.split_screen import split_size


def facts_of(colour: str, taken: float | None = None) -> PairingFacts:
    return PairingFacts(msgspec.json.encode({colour: 9}), taken)


def test_best_prefers_similar_colours() -> None:
    facts = {"a": facts_of("#F00000"), "b": facts_of("#0000F0"), "c": facts_of("#E01010"), "d": facts_of("#1010E0")}
    assert Partners(facts).best("a", ["b", "c", "d"]) == "c"
    assert Partners(facts).best("b", ["a", "c", "d"]) == "d"


def test_best_with_equal_colours_prefers_the_same_day() -> None:
    day = 86_400.0
    facts = {"a": facts_of("#F00000", 0.0), "b": facts_of("#F00000", 90 * day), "c": facts_of("#F00000", 600.0)}
    assert Partners(facts).best("a", ["b", "c"]) == "c"


def test_best_weighs_different_colours_more_than_the_same_minute() -> None:
    facts = {"a": facts_of("#F00000", 0.0), "b": facts_of("#0000F0", 0.0), "c": facts_of("#F00000", 1e9)}
    assert Partners(facts).best("a", ["b", "c"]) == "c"


def test_best_without_facts_is_the_next_photo() -> None:
    assert Partners({}).best("a", ["b", "c"]) == "b"


def test_best_without_candidates_is_none() -> None:
    assert Partners({}).best("a", []) is None


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


def test_changes_with_time_is_true_only_with_a_filter_by_age() -> None:
    assert not changes_with_time(FrameFilters(name="x"))
    assert changes_with_time(FrameFilters(newest_days=1))
    assert changes_with_time(FrameFilters(taken_days=1))


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
