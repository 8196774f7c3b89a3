"""libvips as this process uses it. Every file that needs pyvips imports it from here.

The settings are process-wide and made once, before the first picture; nothing changes them later,
because pictures are rendered on several threads at once. What each one is good for:

- One libvips thread a picture. JPEG coding is single-threaded, so N pictures in flight on one thread
  each beat N threads on one picture. libvips would count the host's cores, not the container's share,
  and it reads the variable only while it starts: it has to be set before the import.
- No operation cache. No photo is ever asked for twice, so the cache would only hold memory.
- Loaders that libvips marks as untrusted are off, on top of our own list of formats.
- One libde265 thread a HEIC photo, for the same reason as the first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

os.environ["VIPS_CONCURRENCY"] = "1"

import pi_heif
import pyvips

pyvips.cache_set_max(0)
pyvips.block_untrusted_set(True)
pi_heif.options.DECODE_THREADS = 1

__all__ = ["pi_heif", "pyvips"]


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
