"""Each kernel compared with its slow twin; also run without compilation (see test_native_same_everywhere.py)."""

from __future__ import annotations

import math
import random

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from materialyoucolor.hct.cam16 import Cam16
from materialyoucolor.utils.color_utils import argb_from_lab

from native import jit
from native.colour.colour_table import COLOURS, colours_of, count_into
from native.colour.hct import hue_and_chroma
from native.colour.histogram import distinct_colours
from native.colour.kmeans import assign_nearest, cluster
from native.colour.lab import (
    CURVE,
    EPSILON,
    KAPPA,
    LIGHT,
    STEP_UP,
    STEPS,
    TO_XYZ,
    WHITE,
    lab_of,
    lab_of_keys,
    linear,
    rgb_of,
)
from native.colour.wu import wu_centres
from tests.native.pictures_of_colours import Pixels, degenerate, scene
from tests.native.twins import cluster as slow_cluster
from tests.native.twins import count_colours, lab, nearest, rgb_of_key
from tests.native.twins import wu_centres as slow_wu

PICTURES = [*degenerate().values(), scene(1, 16, 12), scene(2, 16, 12), scene(3, 16, 12)]
NAMES = [*degenerate(), "scene 1", "scene 2", "scene 3"]
every_picture = pytest.mark.parametrize("pixels", PICTURES, ids=NAMES)

components = st.integers(0, 255)
few_pixels = st.lists(st.tuples(components, components, components), min_size=1, max_size=60).map(
    lambda colours: np.array(colours, np.uint8)
)


def counted(pixels: Pixels) -> tuple[list[tuple[int, int, int]], list[int]]:
    keys, counts = distinct_colours(pixels)
    return [rgb_of_key(int(key)) for key in keys], [int(count) for count in counts]


@every_picture
def test_distinct_colours_counts_every_colour(pixels: Pixels) -> None:
    colours, counts = counted(pixels)
    assert dict(zip(colours, counts, strict=True)) == count_colours(pixels)
    bins = [tuple(c >> 3 for c in colour) for colour in colours]
    assert bins == sorted(bins)


def test_colour_table_counts_the_same() -> None:
    pixels = scene(4)
    table = np.zeros(COLOURS, np.uint32)
    count_into(pixels, table)
    count_into(pixels[:10], table)
    keys, counts = colours_of(table)
    assert (keys.dtype, counts.dtype) == (np.uint32, np.int64)
    assert list(keys) == sorted(keys)
    counted_colours = {rgb_of_key(int(key)): int(count) for key, count in zip(keys, counts, strict=True)}
    assert counted_colours == count_colours(np.concatenate([pixels, pixels[:10]]))


def test_lab_of_agrees_with_the_standard() -> None:
    chosen = random.Random(3)
    colours = [(r, g, b) for r in (0, 1, 9, 255) for g in (0, 2, 255) for b in (0, 3, 255)]
    colours += [(chosen.randrange(256), chosen.randrange(256), chosen.randrange(256)) for _ in range(500)]
    for colour in colours:
        for ours, exact in zip(lab_of(*colour), lab(colour), strict=True):
            assert abs(ours / STEPS - exact) < 0.012


def test_lab_of_keys_agrees_with_lab_of() -> None:
    keys, _ = distinct_colours(scene(6, 12, 8))
    for column, key in zip(lab_of_keys(keys).T, keys, strict=True):
        assert tuple(column) == lab_of(*rgb_of_key(int(key)))


def test_rgb_of_agrees_with_the_library() -> None:
    chosen = random.Random(4)
    for _ in range(500):
        point = (chosen.randrange(0, 12801), chosen.randrange(-10000, 10001), chosen.randrange(-10000, 10001))
        library = argb_from_lab(*(c / STEPS for c in point)) & 0xFFFFFF
        ours = rgb_of(*point)
        # The two may round a tie differently; a difference of more than one step is not a tie.
        assert max(abs((ours >> s & 255) - (library >> s & 255)) for s in (0, 8, 16)) <= 1


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def changed_by_round_trip(step: int) -> int:
    """Return how many sRGB colours, of every `step`th of all 16.7 million, change in a round trip through Lab."""
    changed = 0
    for packed in range(0, 1 << 24, step):
        lightness, red_green, yellow_blue = lab_of(packed >> 16, packed >> 8 & 255, packed & 255)
        if rgb_of(lightness, red_green, yellow_blue) != packed:
            changed += 1
    return changed


def test_every_colour_survives_the_round_trip_through_lab() -> None:
    assert changed_by_round_trip(1 if jit.COMPILES else 997) == 0


def test_no_table_entry_is_near_a_tie() -> None:
    """Every mathematical library creates the same tables, however it rounds last digits."""

    def margin(exact: float, entry: int) -> float:
        return 0.5 - abs(exact - entry)

    shares = [[weight / white for weight in row] for row, white in zip(TO_XYZ, WHITE, strict=True)]
    lights = [
        margin(shares[x][c] * linear(v) * 2**22, int(LIGHT[x, c, v]))
        for x in range(3)
        for c in range(3)
        for v in range(256)
    ]
    curve = []
    for i, entry in enumerate(CURVE):
        t = i / 4096
        curve.append(margin((t ** (1 / 3) if t > EPSILON else (KAPPA * t + 16) / 116) * 2**18, int(entry)))
    steps = [margin(linear(c + 0.5) * 2.0**30, round(float(step) * 2.0**30)) for c, step in enumerate(STEP_UP)]
    assert min(lights) > 1e-8
    assert min(curve) > 1e-8
    assert min(steps) > 1e-5


@every_picture
@pytest.mark.parametrize("most", [1, 2, 7, 40])
def test_wu_agrees_with_its_twin(pixels: Pixels, most: int) -> None:
    keys, counts = distinct_colours(pixels)
    assert [tuple(centre) for centre in wu_centres(keys, counts, most)] == slow_wu(count_colours(pixels), most)


@settings(max_examples=40, deadline=None)
@given(few_pixels, st.integers(1, 30))
def test_wu_agrees_with_its_twin_on_any_colours(pixels: Pixels, most: int) -> None:
    keys, counts = distinct_colours(pixels)
    assert [tuple(centre) for centre in wu_centres(keys, counts, most)] == slow_wu(count_colours(pixels), most)


def same_clusters(pixels: Pixels, most: int) -> None:
    keys, counts = distinct_colours(pixels)
    start = wu_centres(keys, counts, most)
    centres = [tuple(int(c) for c in lab_of(*(int(c) for c in centre))) for centre in start]
    points = [tuple(int(c) for c in column) for column in lab_of_keys(keys).T]
    belongs = assign_nearest(keys, lab_of_keys(keys), np.array(centres, np.int32).T.copy())
    assert list(belongs) == [nearest(point, centres) for point in points]
    slow = slow_cluster(points, [int(count) for count in counts], centres, STEPS)
    colours, populations = cluster(keys, counts, start)
    assert [*zip(colours, populations, strict=True)] == [(rgb_of(*centre), n) for centre, n in slow]


@every_picture
@pytest.mark.parametrize("most", [1, 5, 30])
def test_k_means_agrees_with_its_twin(pixels: Pixels, most: int) -> None:
    same_clusters(pixels, most)


@settings(max_examples=40, deadline=None)
@given(few_pixels, st.integers(1, 30))
def test_k_means_agrees_with_its_twin_on_any_colours(pixels: Pixels, most: int) -> None:
    same_clusters(pixels, most)


def test_centre_without_points_has_no_cluster() -> None:
    """A start centre without a nearest point has no cluster, and the other clusters contain all points."""
    pixels = np.array([[250, 250, 250], [251, 250, 250]], np.uint8)
    keys, counts = distinct_colours(pixels)
    colours, populations = cluster(keys, counts, np.array([[250, 250, 250], [0, 255, 0]], np.int64))
    assert list(populations) == [2]
    assert colours[0] >> 16 in (250, 251)


def test_hue_and_chroma_equal_the_library_bit_by_bit() -> None:
    chosen = random.Random(8)
    for colour in [0, 0xFFFFFF, 0x808080, 0xFF0000, 1, *(chosen.randrange(1 << 24) for _ in range(2000))]:
        library = Cam16.from_int(0xFF000000 | colour)
        hue, chroma = hue_and_chroma(colour)
        assert (hue, chroma) == (library.hue, library.chroma)
        assert math.isfinite(hue)
