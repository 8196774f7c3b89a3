"""Framing by focus: the focal point, the crop around it, and photos that are shown whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.colour.palettes import background_of
from contract.messages.processing import Device, Palette
from contract.recipes import CENTRE, FOCUS
from processor.render.focus import find_focus
from processor.render.geometry import MAX_CUT, cover_crop, crop_around, place
from processor.render.pipeline import render_image
from tests.support.pictures import encoded, pixels_of, with_orientation
from tests.support.pictures import scene as photo

sides = st.integers(1, 9000)
shares = st.floats(0, 1)
PANEL = Device(name="panel", width=320, height=192)
STANDING = Device(name="standing", width=192, height=320)


@given(sides, sides, st.integers(1, 4000), st.integers(1, 4000), shares, shares)
def test_crop_around_any_point_is_as_large_as_cover_crop_and_inside(
    width: int, height: int, target_width: int, target_height: int, x: float, y: float
) -> None:
    box = crop_around(width, height, target_width, target_height, (x, y))
    middle = cover_crop(width, height, target_width, target_height)
    assert (box.width, box.height) == (middle.width, middle.height)
    assert -1e-6 <= box.left <= width - box.width + 1e-6
    assert -1e-6 <= box.top <= height - box.height + 1e-6
    # The point is inside, as far as rounding goes.
    assert box.left - 1e-6 <= x * width <= box.left + box.width + 1e-6
    assert box.top - 1e-6 <= y * height <= box.top + box.height + 1e-6


@given(sides, sides, st.integers(1, 4000), st.integers(1, 4000), shares, shares)
def test_place_with_focus_loses_at_most_max_cut(
    width: int, height: int, target_width: int, target_height: int, x: float, y: float
) -> None:
    placed = place(width, height, target_width, target_height, (x, y))
    assert placed.box.width * placed.box.height >= (1 - MAX_CUT) * width * height * (1 - 1e-9)
    assert 0 <= placed.left <= placed.left + placed.width <= target_width
    assert 0 <= placed.top <= placed.top + placed.height <= target_height
    assert placed.width == target_width or placed.height == target_height


def spot(height: int, width: int, y: float, x: float) -> np.ndarray:
    """Return a dull image with one bright, detailed spot."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.full((height, width, 3), (90, 100, 95), np.uint8)
    near = (rows - y * height) ** 2 + (columns - x * width) ** 2 < (0.09 * max(height, width)) ** 2
    checks = ((rows // 3 + columns // 3) % 2 == 0)[..., None]
    picture[near] = np.where(checks, (230, 60, 40), (250, 220, 60))[near]
    return picture


@pytest.mark.parametrize("where", [(0.5, 0.5), (0.25, 0.7), (0.75, 0.3), (0.3, 0.3)])
@pytest.mark.parametrize("size", [(192, 256), (256, 144), (256, 256)])
def test_find_focus_single_spot_returns_its_position(size: tuple[int, int], where: tuple[float, float]) -> None:
    x, y = find_focus(spot(*size, where[1], where[0]))
    assert abs(x - where[0]) < 0.08
    assert abs(y - where[1]) < 0.08


@pytest.mark.parametrize("picture", [np.full((40, 40, 3), 7, np.uint8), np.zeros((1, 90, 3), np.uint8)])
def test_find_focus_plain_image_returns_the_middle(picture: np.ndarray) -> None:
    assert find_focus(picture) == (0.5, 0.5)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))
def test_find_focus_any_image_returns_a_point_inside(height: int, width: int, seed: int) -> None:
    x, y = find_focus(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))
    assert 0 <= x <= 1
    assert 0 <= y <= 1


def test_render_image_with_focus_crops_around_it() -> None:
    data = encoded(spot(600, 1200, 0.5, 0.25))
    middle = render_image(data, (PANEL,), framing=CENTRE)
    found = render_image(data, (PANEL,))
    chosen = render_image(data, (PANEL,), focus=(0.9, 0.5))
    assert middle.found_focus is None
    assert found.found_focus == chosen.found_focus
    assert found.found_focus is not None
    assert abs(found.found_focus[0] - 0.25) < 0.1
    assert chosen.focus == (0.9, 0.5)
    # The spot lies further left in the picture when the crop lies further right.
    reds = [pixels_of(rendered.variants[0].data)[..., 0].astype(int) > 200 for rendered in (middle, found, chosen)]
    places = [np.argwhere(red)[:, 1].mean() for red in reds]
    assert places[1] > places[0] + 15
    assert places[2] < places[0] - 15


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_render_image_turned_photo_finds_the_same_focus(orientation: int) -> None:
    upright = spot(480, 640, 0.35, 0.7)
    rendered = render_image(with_orientation(upright, orientation), (PANEL,))
    assert rendered.found_focus is not None
    assert abs(rendered.found_focus[0] - 0.7) < 0.08
    assert abs(rendered.found_focus[1] - 0.35) < 0.08


def test_render_image_opposite_shape_is_shown_whole_on_a_background() -> None:
    rendered = render_image(encoded(photo(400, 900)), (PANEL, STANDING))
    screen = pixels_of(rendered.variants[0].data).astype(int)
    ground = np.array(background_of(rendered.palette))
    assert screen.shape == (192, 320, 3)
    shown = round(400 * 192 / 900)
    left = (320 - shown) // 2
    assert np.abs(screen[:, : left - 8] - ground).max() <= 6
    assert np.abs(screen[:, left + shown + 8 :] - ground).max() <= 6
    assert screen[:, left + 4 : left + shown - 4].std() > 10
    assert pixels_of(rendered.variants[1].data)[:, :20].std() > 5  # this one is filled


@given(st.integers(0, 0xFFFFFF))
def test_background_of_any_palette_is_dark_and_has_its_hue(colour: int) -> None:
    source = f"#{colour:06X}"
    palette = Palette(primary=source, secondary=source, tertiary=source, source_color=source, all_colors=(source,))
    levels = background_of(palette)
    assert max(levels) <= 175  # a pure blue has little light
    given_levels = [colour >> 16, colour >> 8 & 255, colour & 255]
    assert [
        given_levels[i] >= given_levels[j]
        for i in range(3)
        for j in range(3)
        if abs(given_levels[i] - given_levels[j]) > 30
    ] == [levels[i] >= levels[j] for i in range(3) for j in range(3) if abs(given_levels[i] - given_levels[j]) > 30]


def test_render_image_invalid_framing_or_focus_raises() -> None:
    data = encoded(photo(64, 48))
    with pytest.raises(ValueError, match="framing"):
        render_image(data, (), framing="left")
    with pytest.raises(ValueError, match="focus"):
        render_image(data, (), framing=CENTRE, focus=(0.5, 0.5))
    with pytest.raises(ValueError, match="focus"):
        render_image(data, (), framing=FOCUS, focus=(1.5, 0.5))
