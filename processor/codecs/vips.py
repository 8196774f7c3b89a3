"""Configure libvips for this process. Every module that needs pyvips imports it from here.

The settings hold for the whole process and are made once, before the first photo.
Nothing changes them later, because photos are rendered on several threads at the same time. Their reasons:

- One libvips thread per image. JPEG coding is single-threaded, so N images on one thread each are faster than
  one image on N threads. By default libvips counts the host's cores, not the container's share.
  It reads the variable only while it starts, so the variable is set before the import.
- No operation cache. No photo is requested twice, so the cache would only hold memory.
- Loaders that libvips marks as untrusted are off, in addition to our own list of formats.
- One libde265 thread per HEIC photo, for the same reason as the first.
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

PROFILE = "icc-profile-data"
"""The metadata field in which libvips holds the ICC profile."""


def box_shrink(image: pyvips.Image, shrink: int) -> pyvips.Image:
    """Shrink to 1/`shrink` of the size, rounded up; each result is the mean of `shrink` x `shrink` pixels.

    Transparent pixels do not add their invisible colour to their neighbours. Nothing runs yet.
    """
    if shrink == 1:
        return image
    if not image.hasalpha():
        return image.shrink(shrink, shrink, ceil=True)
    return image.premultiply().shrink(shrink, shrink, ceil=True).unpremultiply().cast(image.format)


def in_memory(image: pyvips.Image) -> pyvips.Image:
    """Run the pipeline once, from top to bottom.

    The result has pixels only: profile, EXIF and gain map are left out. Raises pyvips.Error.
    """
    return pyvips.Image.new_from_memory(image.write_to_memory(), image.width, image.height, image.bands, image.format)


def pixels_of(image: pyvips.Image) -> NDArray[np.uint8]:
    """Run the pipeline of an 8-bit image once: uint8 of shape (height, width, bands). Raises pyvips.Error."""
    flat: NDArray[np.uint8] = np.frombuffer(image.write_to_memory(), np.uint8)
    return flat.reshape(image.height, image.width, image.bands)


def image_of(pixels: NDArray[np.uint8]) -> pyvips.Image:
    """Wrap a C-contiguous uint8 array of shape (height, width, bands) for libvips, without a copy."""
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(pixels.data, width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands < 3 else "srgb")
