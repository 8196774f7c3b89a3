"""The decoded image in memory, and the crops of it that become variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import native
from processor.render.geometry import Box, box_to_stored, crop_around, place, scale_box, upright_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from processor.render.header import Header

Rgb = tuple[int, int, int]

MIN_RATIO = 1.4
"""A variant is cropped from a halved copy if the copy still has this many pixels per output pixel, in both directions.
The filter then removes most of what averaging has blurred. SSIM compared with a full decode and one Lanczos 3, over 28
photos of 8 MP and more, medians (worst) of the 800 x 480 variants: 0.9990 (0.990), where the full decoded image gives
0.9994 (0.999) and costs two to three times as much. The largest screen, always cropped from the full decoded image,
has 0.9974 (0.988). Tried: 1.25 (0.9978), 1.1 (0.9975, worst of all 0.966); halving by (-1, 9, 9, -1) / 16, which blurs
less and aliases more (worst 0.972)."""


class DecodedImage:
    """A photo in sRGB, from which all variants are cropped, with halved copies that are made when needed.

    One thread at a time may use it.

    Attributes:
        pixels: uint8 of shape (h, w, 3), in the orientation of the file.
        alpha: uint8 of shape (h, w), or None.
        scale_x, scale_y: Decoded pixels per stored pixel.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, scale_x: float, scale_y: float
    ) -> None:
        self.pixels = pixels
        self.alpha = alpha
        self.scale_x = scale_x
        self.scale_y = scale_y
        self._levels = [pixels]

    def level_for(self, ratio: float) -> tuple[NDArray[np.uint8], int]:
        """Return the smallest level that keeps `MIN_RATIO` pixels per output pixel, and its scale: 1, 2, 4, ...

        The output has 1/`ratio` of the decoded size. An odd last row or column of a level is left out in the next.
        """
        level = 0
        while ratio / 2 ** (level + 1) >= MIN_RATIO and min(self._levels[level].shape[:2]) >= 2:
            level += 1
            if level == len(self._levels):
                self._levels.append(native.halve(self._levels[-1]))
        return self._levels[level], 2**level


def cut(
    decoded: DecodedImage,
    header: Header,
    width: int,
    height: int,
    focus: tuple[float, float] | None = None,
    background: Rgb | None = None,
) -> NDArray[np.uint8]:
    """Return the photo at `width` x `height` upright pixels: uint8 of shape (height, width, 3).

    The decoded image is never turned: the resizer turns its output. Lanczos 3, smaller and larger.

    Args:
        decoded: The image to crop from.
        header: Header of the photo.
        width: Width in pixels.
        height: Height in pixels.
        focus: Point to crop around, as `geometry.place` describes. Without it, the middle covers the screen.
        background: Colour around a photo that is shown whole. Without it, every photo covers the screen.
    """
    size = (header.upright_width, header.upright_height)
    if focus is not None and background is None:
        return _resized(decoded, header, crop_around(*size, width, height, focus), width, height)
    placement = place(*size, width, height, focus)
    photo = _resized(decoded, header, placement.box, placement.width, placement.height)
    if background is None or photo.shape == (height, width, 3):
        return photo
    screen = np.empty((height, width, 3), np.uint8)
    screen[:] = background
    screen[placement.top : placement.top + placement.height, placement.left : placement.left + placement.width] = photo
    return screen


def _resized(decoded: DecodedImage, header: Header, box: Box, width: int, height: int) -> NDArray[np.uint8]:
    stored = box_to_stored(box, header.upright_width, header.upright_height, header.orientation)
    source = scale_box(stored, decoded.scale_x, decoded.scale_y)
    across, down = upright_size(width, height, header.orientation)
    pixels, scale = decoded.level_for(min(source.width / across, source.height / down))
    return native.resize(pixels, width, height, box=_within(source, pixels, scale), orientation=header.orientation)


def _within(box: Box, pixels: NDArray[np.uint8], scale: int) -> tuple[float, float, float, float]:
    """Return the box in a level that is `scale` times smaller. Rows that rounding left out repeat the level's edge."""
    height, width = pixels.shape[:2]
    left, top = box.left / scale, box.top / scale
    right, bottom = left + box.width / scale, top + box.height / scale
    right, bottom = min(right, width + 1.0), min(bottom, height + 1.0)
    return left, top, right - left, bottom - top
