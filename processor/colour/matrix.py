"""8-bit RGB by a matrix profile to sRGB: what lcms does for Display P3 and Adobe RGB, in a quarter of the time.

Relative colorimetric: light by the profile's curves, to XYZ under D50 by its columns, from there by the inverse of
sRGB's columns, out-of-gamut colours cut off channel by channel, and back by sRGB's curve. Black point compensation
has nothing to do, since both blacks are no light at all. Within one level of lcms nearly everywhere (`tests/`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

import native
from contract.colour.srgb import to_light
from processor.colour.icc import MAX_SAVED, PROFILES_KEPT, SRGB_COLUMNS, matrix_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIGHT = 1 << 15
_UNIT = 1 << 14

Conversion = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]
Tables = tuple["NDArray[np.int32]", "NDArray[np.int32]", "NDArray[np.uint8]"]


def by_matrix(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8] | None:
    """`pixels`, uint8 of shape (h, w, 3), in sRGB; None if `profile` is not a matrix and curves."""
    convert = conversion_of(profile)
    return None if convert is None else convert(pixels)


def conversion_of(profile: bytes) -> Conversion | None:
    """What makes sRGB of pixels with this profile; None if it is not a matrix and curves."""
    tables = _tables(profile) if len(profile) <= MAX_SAVED else _tables.__wrapped__(profile)
    return None if tables is None else lambda pixels: native.recolour(pixels, *tables)


@lru_cache(PROFILES_KEPT)
def _tables(profile: bytes) -> Tables | None:
    """Curves, matrix and way back as `native.recolour` takes them; None if the profile has no such form."""
    found = matrix_profile(profile)
    if found is None:
        return None
    try:
        light = np.array([[curve(level / 255) for level in range(256)] for curve in found.curves])
    except (ArithmeticError, ValueError):  # numbers that no real profile has
        return None
    matrix = np.rint(np.linalg.inv(np.array(SRGB_COLUMNS).T) @ np.array(found.columns).T * _UNIT)
    if not np.isfinite(light).all() or np.abs(matrix).sum(1).max() >= 4 * _UNIT:
        return None
    curves = np.rint(np.clip(light, 0.0, 1.0) * _LIGHT)
    return curves.astype(np.int32), matrix.astype(np.int32), _way_back()


@lru_cache(1)
def _way_back() -> NDArray[np.uint8]:
    """SRGB level of light in 2^-14: the level whose light is nearest on sRGB's own scale."""
    between = np.array([to_light((level + 0.5) / 255) for level in range(255)])
    return np.searchsorted(between, np.arange(_UNIT + 1) / _UNIT).astype(np.uint8)
