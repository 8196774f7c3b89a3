"""Hue and chroma of CAM16, the first two letters of Material's HCT.

Source: C. Li et al., "Comprehensive color solutions: CAM16, CAT16, and CAM16-UCS", Color Research and Application 42,
2017.
The viewing conditions are those of Material: D65, an adapting field of 200 lux over pi times the luminance of L* 50,
background L* 50, average surround.
Digits and order of operations are those of materialyoucolor, so that no rank depends on a last digit.
The tests compare bit by bit.
Only the values that scoring needs are computed, and values that depend on the viewing conditions alone only once.
"""

from __future__ import annotations

import math

import numpy as np

from native.colour.lab import TO_XYZ, WHITE, linear
from native.jit import helper

# CAT16 (Li et al. 2017, equation 7): XYZ to cone responses.
CAT16 = (
    (0.401288, 0.650173, -0.051461),
    (-0.250268, 1.204414, 0.045854),
    (-0.002079, 0.048952, 0.953127),
)


def _cube(x: float) -> float:
    return x * x * x


# Average surround: F, c and N_c of CAM16. c results from Material's interpolation, including its last digit.
_F = _N_C = 1.0
_TOWARDS = (_F - 0.9) * 10.0
_C = (1.0 - _TOWARDS) * 0.59 + _TOWARDS * 0.69
_MIDDLE = 100.0 * _cube((50.0 + 16.0) / 116.0)  # luminance factor of L* 50
_ADAPTING = (200.0 / math.pi) * _MIDDLE / 100.0  # cd/m^2
_ADAPTED = min(1.0, max(0.0, _F * (1.0 - (1.0 / 3.6) * math.exp((-_ADAPTING - 42.0) / 92.0))))
_WHITE_CONES = tuple(WHITE[0] * row[0] + WHITE[1] * row[1] + WHITE[2] * row[2] for row in CAT16)
_GAINS = tuple(_ADAPTED * (100.0 / cone) + 1.0 - _ADAPTED for cone in _WHITE_CONES)
_K = 1.0 / (5.0 * _ADAPTING + 1.0)
_K4 = _K * _K * _K * _K
_F_L = _K4 * _ADAPTING + 0.1 * (1.0 - _K4) * (1.0 - _K4) * (5.0 * _ADAPTING) ** (1.0 / 3.0)
_N = _MIDDLE / WHITE[1]
_EXPONENT = _C * (1.48 + math.sqrt(_N))
_N_BB: float = 0.725 / _N**0.2
_SPREAD: float = (1.64 - 0.29**_N) ** 0.73


def _white_response() -> float:
    compressed = [(_F_L * gain * cone / 100.0) ** 0.42 for gain, cone in zip(_GAINS, _WHITE_CONES, strict=True)]
    red, green, blue = (400.0 * response / (response + 27.13) for response in compressed)
    white: float = (2.0 * red + green + 0.05 * blue) * _N_BB
    return white


_A_W = _white_response()
LINEAR = np.array([linear(component) for component in range(256)])


@helper
def _response(cone: float, gain: float) -> float:
    discounted = gain * cone
    compressed = math.pow((_F_L * abs(discounted)) / 100.0, 0.42)
    response = (400.0 * compressed) / (compressed + 27.13)
    return -response if discounted < 0.0 else response


@helper
def hue_and_chroma(packed: int) -> tuple[float, float]:
    """Return (hue in degrees, 0 to 360; chroma) of 0xRRGGBB; upper bits are ignored."""
    red, green, blue = LINEAR[packed >> 16 & 255], LINEAR[packed >> 8 & 255], LINEAR[packed & 255]
    x = TO_XYZ[0][0] * red + TO_XYZ[0][1] * green + TO_XYZ[0][2] * blue
    y = TO_XYZ[1][0] * red + TO_XYZ[1][1] * green + TO_XYZ[1][2] * blue
    z = TO_XYZ[2][0] * red + TO_XYZ[2][1] * green + TO_XYZ[2][2] * blue
    long = _response(CAT16[0][0] * x + CAT16[0][1] * y + CAT16[0][2] * z, _GAINS[0])
    medium = _response(CAT16[1][0] * x + CAT16[1][1] * y + CAT16[1][2] * z, _GAINS[1])
    short = _response(CAT16[2][0] * x + CAT16[2][1] * y + CAT16[2][2] * z, _GAINS[2])

    a = (11.0 * long + -12.0 * medium + short) / 11.0
    b = (long + medium - 2.0 * short) / 9.0
    u = (20.0 * long + 20.0 * medium + 21.0 * short) / 20.0
    achromatic = (40.0 * long + 20.0 * medium + short) / 20.0 * _N_BB
    hue = (math.atan2(b, a) * 180.0) / math.pi % 360.0

    lightness = 100.0 * math.pow(achromatic / _A_W, _EXPONENT)
    shifted = hue + 360.0 if hue < 20.14 else hue
    eccentricity = 0.25 * (math.cos((shifted * math.pi) / 180.0 + 2.0) + 3.8)
    t = (50000.0 / 13.0 * eccentricity * _N_C * _N_BB * math.sqrt(a * a + b * b)) / (u + 0.305)
    return hue, math.pow(t, 0.9) * _SPREAD * math.sqrt(lightness / 100.0)
