"""Pictures for devices, all cut from one base."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import native
from processor.render.geometry import Box, box_to_stored, crop_around, place, scale_box, upright_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from processor.render.decoded_image import DecodedImage
    from processor.render.header import Header


Rgb = tuple[int, int, int]


def cut(
    base: DecodedImage,
    header: Header,
    width: int,
    height: int,
    focus: tuple[float, float] | None = None,
    background: Rgb | None = None,
) -> NDArray[np.uint8]:
    """The photo at `width` x `height` upright pixels: uint8 of shape (height, width, 3).

    Without `focus` its middle, covering the screen. With one, as `framing.place` says; `background` is what then shows
    beside a photo that is fitted whole, and without it every photo covers the screen.
    The large picture is never turned: the resizer turns what it has made. Lanczos 3, smaller and larger.
    """
    size = (header.upright_width, header.upright_height)
    if focus is not None and background is None:
        return _shown(base, header, crop_around(*size, width, height, focus), width, height)
    placement = place(*size, width, height, focus)
    shown = _shown(base, header, placement.box, placement.width, placement.height)
    if background is None or shown.shape == (height, width, 3):
        return shown
    screen = np.empty((height, width, 3), np.uint8)
    screen[:] = background
    screen[placement.top : placement.top + placement.height, placement.left : placement.left + placement.width] = shown
    return screen


def _shown(base: DecodedImage, header: Header, box: Box, width: int, height: int) -> NDArray[np.uint8]:
    stored = box_to_stored(box, header.upright_width, header.upright_height, header.orientation)
    placed = scale_box(stored, base.scale_x, base.scale_y)
    across, down = upright_size(width, height, header.orientation)
    pixels, factor = base.for_ratio(min(placed.width / across, placed.height / down))
    return native.resize(pixels, width, height, box=_within(placed, pixels, factor), orientation=header.orientation)


def _within(box: Box, pixels: NDArray[np.uint8], factor: int) -> tuple[float, float, float, float]:
    """The box in a copy `factor` times smaller. What rounding left out of the copy is its edge repeated."""
    height, width = pixels.shape[:2]
    left, top = box.left / factor, box.top / factor
    right, bottom = left + box.width / factor, top + box.height / factor
    right, bottom = min(right, width + 1.0), min(bottom, height + 1.0)
    return left, top, right - left, bottom - top
