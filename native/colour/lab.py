"""Conversion of sRGB to CIE L*a*b* (D65) and back in integers.

Lab is represented in steps of 1/128.
int32 holds any squared distance of two sRGB colours: they are at most 259 apart, and 259^2 x 128^2 = 1.1e9.
Sums are exact in any order, and compiled, interpreted, fused or vectorised arithmetic cannot differ.
Compared with 64-bit floating point, no coordinate of any of the 16.7 million colours differs by more than 0.012.
Each colour survives the conversion in both directions.

Constants: sRGB curve and D65 white from IEC 61966-2-1, Lab from CIE 15.
The matrices have the digits of material-color-utilities, because the tests compare palettes with it.

Also tried: 16 bits for the curve instead of 18, with which 55 of all colours were changed by the round trip.
A cube root in float32 (bit trick, Halley) was about as fast in a prototype, but numpy and compiled code would have to
be forced to the same rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import Integer, helper

STEPS = 128  # of a unit of L*, a* or b*
WHITE = (95.047, 100.0, 108.883)
TO_XYZ = (
    (0.41233895, 0.35762064, 0.18051042),
    (0.2126, 0.7152, 0.0722),
    (0.01932141, 0.11916382, 0.95034478),
)
FROM_XYZ = (
    (3.2413774792388685, -1.5376652402851851, -0.49885366846268053),
    (-0.9691452513005321, 1.8758853451067872, 0.04156585616912061),
    (0.05562093689691305, -0.20395524564742123, 1.0571799111220335),
)
# CIE 15: below this share of white a straight line replaces the cube root.
EPSILON = 216.0 / 24389.0
KAPPA = 24389.0 / 27.0

_LIGHT_BITS = 22  # a share of white in fixed point
_TABLE_BITS = 12  # the upper bits select a table entry, the lower ones interpolate to the next
_BETWEEN_BITS = _LIGHT_BITS - _TABLE_BITS
_BETWEEN = (1 << _BETWEEN_BITS) - 1
_CURVE_BITS = 18


def linear(component: float) -> float:
    """Return the light (0 to 100) of an sRGB component (0 to 255), by IEC 61966-2-1 with the library's threshold."""
    share = component / 255.0
    if share <= 0.040449936:
        return float(share / 12.92 * 100.0)
    return float(((share + 0.055) / 1.055) ** 2.4 * 100.0)


def _light_tables() -> NDArray[np.int32]:
    shares = [[weight / white for weight in row] for row, white in zip(TO_XYZ, WHITE, strict=True)]
    unit = 1 << _LIGHT_BITS
    tables = [[[round(share * linear(c) * unit) for c in range(256)] for share in row] for row in shares]
    return np.array(tables, np.int32)


def _curve_table() -> NDArray[np.int32]:
    # One additional entry: white, after rounding, may be just beyond the last step.
    light = np.arange((1 << _TABLE_BITS) + 2) / (1 << _TABLE_BITS)
    curve = np.where(light > EPSILON, np.cbrt(light), (KAPPA * light + 16.0) / 116.0)
    return np.asarray(np.rint(curve * (1 << _CURVE_BITS)), np.int32)


def _steps_up() -> NDArray[np.float64]:
    # Rounded to 2^-30, far above the last digits in which power functions of different machines differ.
    return np.array([round(linear(c - 0.5) * 2.0**30) / 2.0**30 for c in range(1, 256)])


LIGHT = _light_tables()  # shape (3 of XYZ, 3 of RGB, 256)
CURVE = _curve_table()
STEP_UP = _steps_up()  # STEP_UP[c - 1]: smallest light whose component is c or more


@helper
def _curve(light: Integer) -> Integer:
    entry = light >> _BETWEEN_BITS
    low = np.int64(CURVE[entry])
    return low + (((np.int64(CURVE[entry + 1]) - low) * (light & _BETWEEN)) >> _BETWEEN_BITS)


@helper
def lab_of(red: Integer, green: Integer, blue: Integer) -> tuple[Integer, Integer, Integer]:
    """Return (L*, a*, b*), in steps of 1/128, of an sRGB colour with components 0 to 255."""
    x = _curve(np.int64(LIGHT[0, 0, red]) + LIGHT[0, 1, green] + LIGHT[0, 2, blue])
    y = _curve(np.int64(LIGHT[1, 0, red]) + LIGHT[1, 1, green] + LIGHT[1, 2, blue])
    z = _curve(np.int64(LIGHT[2, 0, red]) + LIGHT[2, 1, green] + LIGHT[2, 2, blue])
    # 116, 500 and 200 times STEPS, over 2^18, without their common powers of two; the addend rounds.
    return (
        ((29 * y + 256) >> 9) - 16 * STEPS,
        (125 * (x - y) + 256) >> 9,
        (25 * (y - z) + 128) >> 8,
    )


@helper
def lab_of_keys(keys: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Return the Lab of histogram keys of shape (m,), in steps: int32 of shape (3, m)."""
    lab = np.empty((3, keys.size), np.int32)
    for i in range(keys.size):
        key = np.int64(keys[i])
        red = (key >> 19 & 31) << 3 | key >> 6 & 7
        green = (key >> 14 & 31) << 3 | key >> 3 & 7
        blue = (key >> 9 & 31) << 3 | key & 7
        lab[0, i], lab[1, i], lab[2, i] = lab_of(red, green, blue)
    return lab


@helper
def _light_of(curve: float) -> float:
    cube = curve * curve * curve
    return cube if cube > EPSILON else (116.0 * curve - 16.0) / KAPPA


@helper
def _component(light: float) -> int:
    """Return the sRGB component (0 to 255) that a light (0 to 100) rounds to, by bisection instead of a power."""
    low, high = 0, 255
    while low < high:
        middle = (low + high) >> 1
        if light >= STEP_UP[middle]:
            low = middle + 1
        else:
            high = middle
    return low


@helper
def rgb_of(lightness: Integer, red_green: Integer, yellow_blue: Integer) -> int:
    """Return the nearest 0xRRGGBB of a Lab colour in steps of 1/128; components outside the gamut are clipped."""
    y = (lightness / STEPS + 16.0) / 116.0
    x = red_green / STEPS / 500.0 + y
    z = y - yellow_blue / STEPS / 200.0
    x, y, z = _light_of(x) * WHITE[0], _light_of(y) * WHITE[1], _light_of(z) * WHITE[2]
    packed = 0
    for row in FROM_XYZ:
        packed = packed << 8 | _component(row[0] * x + row[1] * y + row[2] * z)
    return packed
