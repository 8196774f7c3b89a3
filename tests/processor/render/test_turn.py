"""A photo that its owner turned is rendered like one that was stored turned."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from contract.messages.processing import Device
from processor.pool.render_pool import estimated_bytes
from processor.render.geometry import turned
from processor.render.pipeline import render_image
from tests.support.pictures import ONE, STORED_FOR, encoded, scene

UPRIGHT = scene(300, 180)


def stored_with(pixels: NDArray[np.uint8], orientation: int) -> bytes:
    """Return a JPEG of these pixels with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, exif=exif)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_orientation_equals_a_turn_of_the_upright_pixels(orientation: int, turn: int) -> None:
    stored = STORED_FOR[orientation](UPRIGHT)
    rotated = np.rot90(UPRIGHT, -turn)
    assert np.array_equal(stored, STORED_FOR[turned(orientation, turn)](rotated))
    assert turned(turned(orientation, turn), 4 - turn) == orientation


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_turn_gives_the_bytes_of_the_other_orientation(orientation: int, turn: int) -> None:
    pixels = np.ascontiguousarray(STORED_FOR[orientation](UPRIGHT))
    ours = render_image(stored_with(pixels, orientation), ONE, turn=turn)
    theirs = render_image(stored_with(pixels, turned(orientation, turn)), ONE)
    assert ours.variants[0].data == theirs.variants[0].data
    assert (ours.thumbnail, ours.histogram, ours.found_focus) == (
        theirs.thumbnail,
        theirs.histogram,
        theirs.found_focus,
    )
    assert (ours.width, ours.height, ours.orientation) == (theirs.width, theirs.height, theirs.orientation)
    assert (ours.turn, theirs.turn) == (turn, 0)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_turn_works_in_every_format(kind: str) -> None:
    data = encoded(UPRIGHT, kind)
    plain, turned_ = render_image(data, ONE), render_image(data, ONE, turn=1)
    assert (turned_.width, turned_.height) == (plain.height, plain.width)
    assert turned_.orientation == "portrait"


@pytest.mark.slow
def test_memory_estimate_follows_the_turn() -> None:
    pixels, screens = scene(2000, 1000), (Device(name="tall", width=500, height=1000),)
    plain = stored_with(pixels, 1)
    for turn in (1, 2):
        data = stored_with(pixels, turned(1, turn))
        assert len(plain) == len(data)
        assert estimated_bytes(plain, screens, "a", turn=turn) == estimated_bytes(data, screens, "a")
