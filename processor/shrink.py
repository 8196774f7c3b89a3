"""Averaging squares of pixels on the way, and running a pipeline into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processor.vips_setup import pyvips

if TYPE_CHECKING:
    from numpy.typing import NDArray


def box_shrink(image: pyvips.Image, shrink: int) -> pyvips.Image:
    """1/`shrink` of the size, rounded up, each result the mean of `shrink` x `shrink` pixels.

    Transparent pixels do not lend their invisible colour to their neighbours. Nothing runs yet.
    """
    if shrink == 1:
        return image
    if not image.hasalpha():
        return image.shrink(shrink, shrink, ceil=True)
    return image.premultiply().shrink(shrink, shrink, ceil=True).unpremultiply().cast(image.format)


def in_memory(image: pyvips.Image) -> pyvips.Image:
    """Run the pipeline once, from top to bottom.

    The result is bare pixels: profile, EXIF and gain map stay behind. Raises pyvips.Error.
    """
    return pyvips.Image.new_from_memory(image.write_to_memory(), image.width, image.height, image.bands, image.format)


def pixels_of(image: pyvips.Image) -> NDArray[np.uint8]:
    """Run the pipeline of an 8-bit image once: uint8 of shape (height, width, bands). Raises pyvips.Error."""
    flat: NDArray[np.uint8] = np.frombuffer(image.write_to_memory(), np.uint8)
    return flat.reshape(image.height, image.width, image.bands)


def image_of(pixels: NDArray[np.uint8]) -> pyvips.Image:
    """An array of shape (height, width, bands), uint8, C-contiguous, as libvips sees it; nothing is copied."""
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(pixels.data, width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands < 3 else "srgb")
