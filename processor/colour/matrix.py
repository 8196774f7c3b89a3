"""Convert 8-bit RGB with a matrix profile to sRGB: Display P3 and Adobe RGB, in a quarter of the time of lcms.

The intent is relative colorimetric. The steps: to linear light by the curves of the profile, to XYZ under D50 by its
columns, from there by the inverse of the sRGB columns, clip each channel, and back by the sRGB curve.
Black point compensation would change nothing, because both blacks are no light at all.
The result is within one level of lcms nearly everywhere (`tests/`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

import native
from contract.colour.srgb import to_light
from processor.colour.icc import CACHED_PROFILES, MAX_CACHED_BYTES, SRGB_COLUMNS, matrix_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIGHT = 1 << 15
_UNIT = 1 << 14

Conversion = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]
Tables = tuple["NDArray[np.int32]", "NDArray[np.int32]", "NDArray[np.uint8]"]


def by_matrix(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8] | None:
    """Convert `pixels`, uint8 of shape (h, w, 3), to sRGB; None if `profile` has no matrix and curves."""
    convert = conversion_of(profile)
    return None if convert is None else convert(pixels)


def conversion_of(profile: bytes) -> Conversion | None:
    """Return the conversion to sRGB of pixels with this profile; None if the profile has another form."""
    tables = _tables(profile) if len(profile) <= MAX_CACHED_BYTES else _tables.__wrapped__(profile)
    return None if tables is None else lambda pixels: native.recolour(pixels, *tables)


@lru_cache(CACHED_PROFILES)
def _tables(profile: bytes) -> Tables | None:
    """Return curves, matrix and inverse sRGB curve for `native.recolour`; None if the profile has no such form."""
    profile_matrix = matrix_profile(profile)
    if profile_matrix is None:
        return None
    try:
        light = np.array([[curve(level / 255) for level in range(256)] for curve in profile_matrix.curves])
    except (ArithmeticError, ValueError):  # numbers that no real profile has
        return None
    matrix = np.rint(np.linalg.inv(np.array(SRGB_COLUMNS).T) @ np.array(profile_matrix.columns).T * _UNIT)
    if not np.isfinite(light).all() or np.abs(matrix).sum(1).max() >= 4 * _UNIT:
        return None
    curves = np.rint(np.clip(light, 0.0, 1.0) * _LIGHT)
    return curves.astype(np.int32), matrix.astype(np.int32), _inverse_srgb()


@lru_cache(1)
def _inverse_srgb() -> NDArray[np.uint8]:
    """Return the sRGB level for each amount of light in steps of 2^-14: the nearest level on the sRGB scale."""
    between = np.array([to_light((level + 0.5) / 255) for level in range(255)])
    return np.searchsorted(between, np.arange(_UNIT + 1) / _UNIT).astype(np.uint8)
