"""Limits on the size of a photo. Imports nothing heavy, so that the settings can contain them."""

from __future__ import annotations

from msgspec import Struct

MEGAPIXEL = 1_000_000


class Limits(Struct, frozen=True, kw_only=True):
    """Largest number of pixels that is decoded: width x height of the one frame or page that is shown.

    Cameras of "100 megapixels" have 101.8 to 102.
    A progressive JPEG has a lower limit, because all its coefficients stay in memory until its last scan.
    """

    max_pixels: int = 110 * MEGAPIXEL
    max_progressive_pixels: int = 50 * MEGAPIXEL


DEFAULT_LIMITS = Limits()
