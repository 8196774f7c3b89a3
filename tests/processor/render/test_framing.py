"""Geometry: crops stay inside, cover exactly, and show the same part in every orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages.processing import Device
from contract.recipes import CENTRE
from processor.render.geometry import Box, box_to_stored, cover_crop, cover_scale, scale_box, shrink_for, upright_size
from processor.render.pipeline import render_image
from tests.support.pictures import STORED_FOR, encoded, pixels_of

sides = st.integers(1, 20_000)
targets = st.integers(1, 8192)
orientations = st.integers(1, 8)


@given(sides, sides, targets, targets)
def test_cover_crop_is_centred_inside_and_has_the_target_shape(w: int, h: int, tw: int, th: int) -> None:
    box = cover_crop(w, h, tw, th)
    assert box.left >= 0
    assert box.top >= 0
    assert box.left + box.width <= w + 1e-6
    assert box.top + box.height <= h + 1e-6
    assert box.left + box.width / 2 == pytest.approx(w / 2)
    assert box.top + box.height / 2 == pytest.approx(h / 2)
    assert box.width * th == pytest.approx(box.height * tw)
    assert box.width == w or box.height == h
    assert cover_scale(w, h, tw, th) == pytest.approx(tw / box.width)


@given(st.integers(1, 12), st.integers(1, 12), orientations, st.data())
def test_box_to_stored_shows_the_same_pixels(w: int, h: int, orientation: int, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
    width, height = data.draw(st.integers(1, w - left)), data.draw(st.integers(1, h - top))
    upright = np.arange(w * h).reshape(h, w, 1)
    stored = STORED_FOR[orientation](upright)
    assert stored.shape[1::-1] == upright_size(w, h, orientation)
    box = box_to_stored(Box(left, top, width, height), w, h, orientation)
    part = stored[int(box.top) : int(box.top + box.height), int(box.left) : int(box.left + box.width)]
    shown = upright[top : top + height, left : left + width]
    assert np.array_equal(part, STORED_FOR[orientation](shown))


@given(sides, sides, orientations)
def test_upright_size_twice_returns_the_input(w: int, h: int, orientation: int) -> None:
    assert upright_size(*upright_size(w, h, orientation), orientation) == (w, h)


@given(st.floats(0.001, 100))
def test_shrink_for_is_the_largest_that_leaves_enough_pixels(scale: float) -> None:
    shrink = shrink_for(scale)
    assert shrink == 1 or 1 / shrink >= scale
    assert shrink == 8 or 1 / (shrink * 2) < scale


def test_geometry_known_values() -> None:
    assert cover_crop(4000, 3000, 800, 480) == Box(0.0, 300.0, 4000.0, 2400.0)
    assert cover_crop(4000, 3000, 480, 800) == Box(1100.0, 0.0, 1800.0, 3000.0)
    assert scale_box(Box(10, 20, 30, 40), 0.5, 0.25) == Box(5, 5, 15, 10)
    assert shrink_for(0.5) == 2
    assert shrink_for(0.500001) == 1


@pytest.mark.parametrize("lies", [False, True], ids=["standing", "lying"])
def test_render_image_extreme_strip_shows_its_middle(lies: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Libvips rejects an offset beyond ten million pixels of the result, with a line on stderr."""
    middle, elsewhere = (250, 10, 10), (0, 0, 255)
    strip = np.full((30_000, 3, 3), elsewhere, np.uint8)
    strip[14_970:15_030] = middle
    photo = encoded(np.ascontiguousarray(strip.transpose(1, 0, 2)) if lies else strip, "PNG")
    rendered = render_image(photo, (Device(name="square", width=4000, height=4000),), framing=CENTRE)
    shown = pixels_of(rendered.variants[0].data)
    assert shown.shape == (4000, 4000, 3)
    for place in ((0, 0), (2000, 2000), (3999, 3999)):
        assert np.abs(shown[place].astype(int) - middle).max() <= 6
    assert capfd.readouterr().err == ""
