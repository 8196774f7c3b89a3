"""The resizer compared with its slow twin, in every orientation and at the edges, and invalid arguments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import native
from native.jit import COMPILES
from native.resize.lanczos import axis_weights
from tests.native.processes import ABOUT_COMPILATION
from tests.native.resize_twin import TURNED, resized

sides = st.integers(1, 70 if COMPILES else 20)
Picture = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> Picture:
    """Return the most difficult picture: independent pixels with the full range at every edge."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=60 if COMPILES else 8, deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 99))
def test_kernel_agrees_with_its_twin(height: int, width: int, new_height: int, new_width: int, seed: int) -> None:
    picture = noise(height, width, seed)
    resized_picture = native.resize(picture, new_width, new_height)
    # Half a level for rounding to 8 bits, the rest for integer weights and sums.
    assert np.abs(resized_picture - resized(picture, new_width, new_height)).max() <= 0.5 + 0.5


@settings(max_examples=40 if COMPILES else 5, deadline=None)
@given(st.floats(-0.5, 8), st.floats(-0.5, 8), st.floats(0.3, 30), st.floats(0.3, 30), st.integers(1, 8))
def test_resize_of_a_fractional_box_in_every_orientation(
    left: float, top: float, width: float, height: float, orientation: int
) -> None:
    picture = noise(37, 38)
    box = (left, top, min(width, 38.5 - left), min(height, 37.5 - top))
    new_width, new_height = (19, 21) if orientation >= 5 else (21, 19)
    resized_picture = native.resize(picture, new_width, new_height, box=box, orientation=orientation)
    expected = TURNED[orientation](resized(picture, 21, 19, box))
    assert np.abs(resized_picture - expected).max() <= 1.0


@pytest.mark.slow
@pytest.mark.skipif(not COMPILES, reason=ABOUT_COMPILATION)
@pytest.mark.parametrize("orientation", [1, 6], ids=["upright", "turned"])
@pytest.mark.parametrize(("width", "height"), [(700, 300), (90, 41), (1500, 1100)], ids=["near", "far", "larger"])
def test_resize_over_many_spans_and_tiles(width: int, height: int, orientation: int) -> None:
    picture = noise(613, 1201)
    size = (height, width) if orientation == 6 else (width, height)
    resized_picture = native.resize(picture, *size, orientation=orientation)
    off = np.abs(resized_picture - TURNED[orientation](resized(picture, width, height)))
    assert off.max() <= 1.0
    assert off.mean() < 0.3  # rounding alone gives 0.25


def test_resize_keeps_flat_areas_and_does_not_shift() -> None:
    for level in (0, 1, 127, 254, 255):
        picture = np.full((31, 47, 3), level, np.uint8)
        for width, height in ((5, 7), (47, 31), (90, 64)):
            assert (native.resize(picture, width, height) == level).all()
    picture = noise(33, 35)
    assert np.array_equal(native.resize(picture, 35, 33), picture)


def test_resize_accepts_views_and_read_only_pictures() -> None:
    picture = noise(40, 60)
    picture.flags.writeable = False
    view = picture[::2, ::-1]
    assert np.array_equal(native.resize(view, 11, 9), native.resize(np.ascontiguousarray(view), 11, 9))
    # A contiguous picture is passed to the kernels without a copy.
    assert np.array_equal(native.resize(picture, 11, 9), native.resize(picture.copy(), 11, 9))
    assert np.array_equal(native.halve(picture), native.halve(picture.copy()))


@pytest.mark.parametrize("length", [700, 3000, 9000])
def test_resize_by_a_large_factor_uses_every_pixel(length: int) -> None:
    picture = np.full((1, length, 3), 100, np.uint8)
    picture[:, ::3] = 220
    assert np.abs(native.resize(picture, 1, 1) - resized(picture, 1, 1)).max() <= 1.0
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2))
    assert np.abs(native.resize(turned, 1, 1) - resized(turned, 1, 1)).max() <= 1.0


def test_weights_are_small_enough_for_exact_sums() -> None:
    """Assumption of `native/resize/resampler.py`; the extremes occur at the edges of very small pictures."""
    chance = np.random.default_rng(5)
    wrapped = getattr(axis_weights, "py_func", axis_weights)
    for unit in (1 << 14, 1 << 11):
        for available in (1, 2, 3, 4, 5, 6, 8, 13, 60, 700):
            for wanted in (1, 2, 3, 5, 8, 19):
                start = float(chance.uniform(-1, available))
                for begin, length in ((0.0, available), (-1.0, available + 2.0), (start, available + 1 - start)):
                    weights = wrapped(begin, length, available, wanted, float(unit))[2]
                    assert (weights.sum(1) == unit).all()
                    assert np.where(weights > 0, weights, 0).sum(1).max() < 1.3 * unit
                    assert np.where(weights < 0, weights, 0).sum(1).min() > -0.3 * unit


@pytest.mark.parametrize("beyond", [0.5, 0.75, 1.0])
def test_resize_of_a_box_beyond_the_picture_repeats_the_edge(beyond: float) -> None:
    picture = noise(9, 8)
    for size in ((6, 5), (40, 30)):
        box = (-beyond, -beyond, 8 + 2 * beyond, 9 + 2 * beyond)
        assert np.abs(native.resize(picture, *size, box=box) - resized(picture, *size, box)).max() <= 1.0


def test_resize_of_a_tiny_box_is_one_colour() -> None:
    picture = noise(10, 40)
    resized_picture = native.resize(picture, 300, 2, box=(7.25, 5.0, 1e-300, 1e-300))
    assert (resized_picture == resized_picture[0, 0]).all()


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
@settings(max_examples=30 if COMPILES else 6, deadline=None)
def test_halve_returns_the_mean_of_each_square(height: int, width: int, seed: int) -> None:
    picture = noise(height, width, seed)
    even = picture[: height // 2 * 2, : width // 2 * 2].astype(int)
    expected = (even.reshape(height // 2, 2, width // 2, 2, 3).sum((1, 3)) + 2) // 4
    assert np.array_equal(native.halve(picture), expected)


@pytest.mark.parametrize("function", [lambda p: native.resize(p, 2, 2), native.halve], ids=["resize", "halve"])
def test_invalid_pictures_are_rejected(function: object) -> None:
    assert callable(function)
    for picture in ([[[1, 2, 3]]], np.zeros((4, 4, 3)), np.zeros((4, 4, 3), np.int8)):
        with pytest.raises(TypeError, match="uint8"):
            function(picture)
    for shape in ((4, 4), (4, 4, 4), (0, 4, 3), (4, 0, 3), (2, 2, 2, 3)):
        with pytest.raises(ValueError, match="shape"):
            function(np.zeros(shape, np.uint8))


def test_resize_rejects_invalid_sizes_and_boxes() -> None:
    picture = noise(10, 20)
    for width, height in ((0, 5), (5, 0), (-1, 5), (1 << 16, 1 << 16)):
        with pytest.raises(ValueError, match="cannot resize"):
            native.resize(picture, width, height)
    nan = float("nan")
    for box in (
        (0, 0, 0, 5),
        (0, 0, 5, -1),
        (-2, 0, 5, 5),
        (0, 0, 22, 5),
        (0, 8, 5, 5),
        (nan, 0, 5, 5),
        (0, 0, nan, 5),
    ):
        with pytest.raises(ValueError, match="empty or outside"):
            native.resize(picture, 5, 5, box=box)
    for orientation in (0, 9):
        with pytest.raises(ValueError, match="orientation"):
            native.resize(picture, 5, 5, orientation=orientation)
    with pytest.raises(ValueError, match="cannot halve"):
        native.halve(noise(1, 8))
