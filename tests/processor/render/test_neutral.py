"""Photos without colour get their own tones instead of the default blue, and are marked as neutral."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.colour.histogram import lab_of
from contract.colour.palettes import tones
from contract.messages.processing import Histogram
from processor.render.palette import find_colours
from processor.render.pipeline import render_image
from tests.support.pictures import ONE, encoded
from tests.support.pictures import scene as coloured_scene

GOOGLE_BLUE = "#4285F4"


def lightnesses(colours: tuple[str, ...] | list[str]) -> list[float]:
    return sorted(lab_of(colour)[0] for colour in colours)


def test_render_image_grey_photo_has_a_neutral_palette() -> None:
    grey = coloured_scene(1200, 800).mean(axis=2, keepdims=True).astype(np.uint8)
    rendered = render_image(encoded(grey.repeat(3, axis=2)), ONE)
    palette = rendered.palette
    assert palette.neutral
    assert set(palette.all_colors) <= rendered.histogram.keys()
    assert palette.primary == palette.source_color == next(iter(rendered.histogram))
    assert GOOGLE_BLUE not in palette.all_colors


def test_render_image_coloured_photo_is_not_neutral() -> None:
    assert not render_image(encoded(coloured_scene(1200, 800)), ONE).palette.neutral


def test_find_colours_grey_ramp_gives_eight_distant_tones() -> None:
    palette, _ = find_colours(np.repeat(np.arange(256, dtype=np.uint8), 40).reshape(-1, 1).repeat(3, axis=1))
    light = lightnesses(palette.all_colors)
    assert len(set(palette.all_colors)) == 8
    assert all(upper - lower >= 5 for lower, upper in itertools.pairwise(light))
    assert light[-1] - light[0] > 50


@pytest.mark.parametrize("value", [0, 128, 255])
def test_find_colours_single_tone_fills_the_palette(value: int) -> None:
    palette, _ = find_colours(np.full((100, 3), value, np.uint8))
    assert palette.neutral
    assert palette.all_colors == (f"#{value:02X}{value:02X}{value:02X}",) * 8


def test_find_colours_two_tones_are_padded_with_the_more_frequent() -> None:
    palette, _ = find_colours(np.array([[0, 0, 0]] * 40 + [[255, 255, 255]] * 60, np.uint8))
    assert palette.all_colors == ("#FFFFFF", "#000000", *["#FFFFFF"] * 6)
    assert palette.neutral


def test_tones_rare_tone_comes_after_common_close_ones() -> None:
    common = {f"#{value:02X}{value:02X}{value:02X}": 1000 - value for value in range(100, 140, 4)}
    histogram = {**common, "#FFFFFF": 2}
    assert "#FFFFFF" not in tones(histogram)
    assert "#FFFFFF" in tones({"#808080": 1000, "#FFFFFF": 2})


@given(
    st.dictionaries(
        st.integers(0, 255).map(lambda value: f"#{value:02X}{value:02X}{value:02X}"),
        st.integers(1, 9000),
        min_size=1,
        max_size=128,
    )
)
@settings(deadline=None, max_examples=60)
def test_tones_returns_as_many_distinct_tones_as_possible(populations: Histogram) -> None:
    histogram = dict(sorted(populations.items(), key=lambda entry: (-entry[1], entry[0])))
    found = tones(histogram)
    assert len(found) == len(set(found)) == min(8, len(histogram))
    assert found[0] == next(iter(histogram))
    assert set(found) <= histogram.keys()


def test_find_colours_faint_colour_is_neutral() -> None:
    bluish = np.array([[161, 165, 168]] * 60 + [[90, 92, 95]] * 40, np.uint8)
    with_a_spot = np.concatenate([np.repeat(bluish, 20, axis=0), np.full((60, 3), (200, 30, 30), np.uint8)])
    assert find_colours(bluish)[0].neutral
    assert set(find_colours(bluish)[0].all_colors) == {"#A1A5A8", "#5A5C5F"}
    assert not find_colours(with_a_spot)[0].neutral  # a thirtieth of the photo, which is visible
    assert not find_colours(np.full((100, 3), (120, 140, 160), np.uint8))[0].neutral
