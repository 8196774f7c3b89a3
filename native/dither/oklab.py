"""OKLab (Ottosson 2020) in integers, for tables: which of some colours looks nearest.

Light is in units of 2^-14 of sRGB white, coordinates in units of 2^-14.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import Integer, helper

LIGHT_BITS = 14
LIGHT_UNIT = 1 << LIGHT_BITS
ROOT_BITS = 18
_MATRIX_BITS = 14

# The matrices of Björn Ottosson's publication (https://bottosson.github.io/posts/oklab/), in units of 2^-14.
# Rows are adjusted by one unit so that white has exactly (1, 1, 1) and a = b = 0.
_TO_LMS = np.array(
    [[6754, 8787, 843], [3472, 11152, 1760], [1447, 4616, 10321]],
    np.int64,
)
_TO_LAB = np.array(
    [[3448, 13003, -67], [32408, -39790, 7382], [424, 12825, -13249]],
    np.int64,
)


def _light_of_levels() -> NDArray[np.int32]:
    shares = np.arange(256) / 255.0
    light = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.rint(light * LIGHT_UNIT), np.int32)


LIGHT = _light_of_levels()
"""Light of each sRGB level (IEC 61966-2-1), shape (256,)."""
ROOT = np.asarray(np.rint(np.cbrt(np.arange(LIGHT_UNIT + 1) / LIGHT_UNIT) * (1 << ROOT_BITS)), np.int32)
"""Cube root of each light in units of 2^-18, shape (2^14 + 1,). No value is near the middle between two integers."""


@helper
def _root(light: Integer) -> Integer:
    limited = min(max(np.int64(light), np.int64(0)), np.int64(LIGHT_UNIT))
    return np.int64(ROOT[np.uint64(limited)]) >> np.int64(ROOT_BITS - LIGHT_BITS)


@helper
def oklab_of(red: Integer, green: Integer, blue: Integer) -> tuple[Integer, Integer, Integer]:
    """Return (L, a, b) of a light; components outside of 0 to 1 are clipped."""
    long = _root((_TO_LMS[0, 0] * red + _TO_LMS[0, 1] * green + _TO_LMS[0, 2] * blue) >> _MATRIX_BITS)
    medium = _root((_TO_LMS[1, 0] * red + _TO_LMS[1, 1] * green + _TO_LMS[1, 2] * blue) >> _MATRIX_BITS)
    short = _root((_TO_LMS[2, 0] * red + _TO_LMS[2, 1] * green + _TO_LMS[2, 2] * blue) >> _MATRIX_BITS)
    return (
        (_TO_LAB[0, 0] * long + _TO_LAB[0, 1] * medium + _TO_LAB[0, 2] * short) >> _MATRIX_BITS,
        (_TO_LAB[1, 0] * long + _TO_LAB[1, 1] * medium + _TO_LAB[1, 2] * short) >> _MATRIX_BITS,
        (_TO_LAB[2, 0] * long + _TO_LAB[2, 1] * medium + _TO_LAB[2, 2] * short) >> _MATRIX_BITS,
    )
