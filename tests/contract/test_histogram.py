"""Merging and nearness of histograms: properties for any two photos, and known results."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.colour.histogram import (
    HALVING_DISTANCE,
    MAX_ENTRIES,
    PHOTO_WEIGHT,
    lab_of,
    merge,
    nearness,
    nearness_of_profiles,
    profile,
)
from contract.messages.processing import Histogram


def hexed(number: int) -> str:
    return f"#{number:06X}"


colours = st.integers(0, 0xFFFFFF).map(hexed)
histograms = st.dictionaries(colours, st.integers(1, 65536), min_size=1, max_size=128)


def random_histogram(seed: int, entries: int = 128) -> Histogram:
    source = random.Random(seed)
    return {hexed(source.randrange(1 << 24)): source.randrange(1, 2000) for _ in range(entries)}


@given(histograms, histograms)
@settings(deadline=None, max_examples=60)
def test_merge_returns_a_valid_histogram(first: Histogram, second: Histogram) -> None:
    merged = merge(first, second)
    assert 1 <= len(merged) <= MAX_ENTRIES
    assert min(merged.values()) >= 1
    assert merged.keys() <= first.keys() | second.keys()
    assert list(merged) == sorted(merged, key=lambda colour: (-merged[colour], colour))
    # each colour may be rounded by one half, or up to one
    assert abs(sum(merged.values()) - 2 * PHOTO_WEIGHT) <= len(first) + len(second)
    assert list(merge(second, first).items()) == list(merged.items())


@given(histograms, histograms, st.integers(2, 1000))
@settings(deadline=None, max_examples=40)
def test_merge_and_nearness_ignore_the_number_of_pixels(first: Histogram, second: Histogram, factor: int) -> None:
    larger = {colour: population * factor for colour, population in first.items()}
    assert merge(larger, second) == merge(first, second)
    assert nearness(larger, second) == pytest.approx(nearness(first, second), abs=1e-9)


def test_merge_gives_both_photos_the_same_weight() -> None:
    assert merge({"#FF0000": 1}, {"#0000FF": 60000}) == {"#0000FF": PHOTO_WEIGHT, "#FF0000": PHOTO_WEIGHT}
    assert merge({"#FF0000": 3, "#00FF00": 1}, {"#00FF00": 7}) == {
        "#00FF00": PHOTO_WEIGHT + PHOTO_WEIGHT // 4,
        "#FF0000": PHOTO_WEIGHT * 3 // 4,
    }


def test_merge_counts_rare_colours_to_the_nearest() -> None:
    greys = {hexed(value * 0x010101): 100 for value in range(0, 256, 2)}
    assert len(greys) == MAX_ENTRIES
    merged = merge(greys, {"#FE0000": 500, "#FF0000": 499})
    assert len(merged) == MAX_ENTRIES
    # The two reds are the most frequent. They displace two greys, which are counted to others.
    assert list(merged)[:2] == ["#FE0000", "#FF0000"]
    assert sum(merged.values()) == 2 * PHOTO_WEIGHT
    assert merged["#FAFAFA"] == 3 * PHOTO_WEIGHT // MAX_ENTRIES  # FA itself, FC and FE


def test_empty_histogram_adds_nothing_and_is_near_to_nothing() -> None:
    assert merge({}, {}) == {}
    assert merge({}, {"#102030": 5}) == {"#102030": PHOTO_WEIGHT}
    assert nearness({}, {}) == nearness({}, {"#102030": 5}) == nearness({"#102030": 5}, {}) == 0.0


@given(histograms, histograms)
@settings(deadline=None, max_examples=100)
def test_nearness_is_symmetric_and_between_0_and_1(first: Histogram, second: Histogram) -> None:
    near = nearness(first, second)
    assert 0.0 <= near <= 1.0
    assert nearness(second, first) == near
    assert nearness(first, first) == 1.0
    assert nearness_of_profiles(profile(first), profile(second)) == near
    shuffled = dict(reversed(first.items()))
    assert nearness(shuffled, second) == pytest.approx(near, abs=1e-9)


@given(histograms)
@settings(deadline=None, max_examples=40)
def test_shares_of_each_direction_sum_to_one(histogram: Histogram) -> None:
    shares = profile(histogram)
    bins = len(shares) // 7
    for begin in range(0, len(shares), bins):
        assert sum(shares[begin : begin + bins]) == pytest.approx(1)
    assert min(shares) >= -1e-12


def test_profile_has_bins_for_every_srgb_colour() -> None:
    for channels in itertools.product((0, 85, 170, 255), repeat=3):
        colour = "#{:02X}{:02X}{:02X}".format(*channels)
        assert sum(profile({colour: 1})) == pytest.approx(7)


def test_nearness_decreases_with_colour_distance() -> None:
    greys = [{hexed(value * 0x010101): 1} for value in range(0, 256, 15)]
    falling = [nearness(greys[0], grey) for grey in greys]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) == len(falling)
    assert falling[-1] < 0.1


def test_nearness_at_the_halving_distance_is_about_half() -> None:
    dark, light = "#3B3B3B", "#6A6A6A"
    assert lab_of(light)[0] - lab_of(dark)[0] == pytest.approx(HALVING_DISTANCE, abs=0.5)
    assert nearness({dark: 1}, {light: 1}) == pytest.approx(0.5, abs=0.07)


def test_nearness_distinguishes_swapped_lightness() -> None:
    first = {"#5A1010": 1, "#A0A0FF": 1}
    second = {"#FFA0A0": 1, "#10105A": 1}
    assert nearness(first, second) < 0.75


@pytest.mark.parametrize(
    ("colour", "expected"),
    [  # published values of the corners of sRGB under D65
        ("#FFFFFF", (100.0, 0.0, 0.0)),
        ("#000000", (0.0, 0.0, 0.0)),
        ("#FF0000", (53.24, 80.09, 67.20)),
        ("#00FF00", (87.73, -86.18, 83.18)),
        ("#0000FF", (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_matches_published_values(colour: str, expected: tuple[float, float, float]) -> None:
    assert lab_of(colour) == pytest.approx(expected, abs=0.02)


def test_nearness_is_fast_enough_to_compare_all_pairs() -> None:
    # The limits leave room for slow machines and coverage; comparing each colour with each other would exceed them.
    photos = [random_histogram(seed) for seed in range(46)]
    pairs = list(itertools.combinations(photos, 2))[:1000]
    began = time.process_time()
    for first, second in pairs:
        nearness(first, second)
    assert time.process_time() - began < 4
    profiles = [profile(photo) for photo in photos]
    began = time.process_time()
    for left, right in itertools.combinations(profiles, 2):
        nearness_of_profiles(left, right)
    assert time.process_time() - began < 1
