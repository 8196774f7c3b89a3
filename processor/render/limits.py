"""How large a picture may be. Imports nothing heavy, so that settings can hold it."""

from __future__ import annotations

from msgspec import Struct

MEGAPIXEL = 1_000_000


class Limits(Struct, frozen=True, kw_only=True):
    """The most pixels that are decoded: width x height of the one frame or page that is shown.

    A progressive JPEG holds all its coefficients in memory until its last scan, so it may have fewer.
    """

    max_pixels: int = 100 * MEGAPIXEL
    max_progressive_pixels: int = 50 * MEGAPIXEL


DEFAULT_LIMITS = Limits()
