"""Convert colours that a file declares by code points instead of a profile, and HDR to SDR.

Phones and cameras write such AVIF and HEIC files; without this conversion, their photos look dim and pale.
The code points are those of ITU-T H.273: tables 2 (primaries), 3 (transfer) and 4 (matrix).
A transfer is undone by the inverse of its formula in table 3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from contract.colour.srgb import to_light
from contract.image_header.model import CodePoints
from processor.codecs.vips import pyvips

if TYPE_CHECKING:
    from numpy.typing import NDArray

BT709, P3, BT2020, XYZ = 1, 12, 9, 10
SRGB_CURVE, PQ, HLG = 13, 16, 18

_REFERENCE_WHITE_NITS = 203.0  # ITU-R BT.2408: luminance of the white of an SDR image
_HLG_REFERENCE_WHITE = 0.75  # the HLG signal of that white
_KNEE = 0.6  # linear light below this is unchanged; brighter light shares the range from here to white

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_RGB_170M = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
CHROMATICITIES = {
    BT709: (((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)), _D65),
    4: (((0.670, 0.330), (0.210, 0.710), (0.140, 0.080)), _C),
    5: (((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)), _D65),
    6: (_RGB_170M, _D65),
    7: (_RGB_170M, _D65),
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), _C),
    BT2020: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), _D65),
    XYZ: (((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)), (1 / 3, 1 / 3)),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _DCI),
    P3: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), _D65),
}
"""Chromaticities of red, green and blue, and of white (H.273, table 2)."""

# Linear RGB under D65 to linear sRGB, from the primaries' chromaticities (H.273, table 2).
_TO_SRGB = {
    P3: [[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0196, -0.0786, 1.0982]],
    BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

TRANSFERS = frozenset((1, *range(4, 19)))
"""Transfer characteristics that are converted. 2 and reserved values count as absent."""


def known(points: CodePoints | None) -> CodePoints | None:
    """Return the code points with sRGB in place of absent values; None if nothing is declared."""
    if points is None or (points.primaries not in CHROMATICITIES and points.transfer not in TRANSFERS):
        return None
    primaries = points.primaries if points.primaries in CHROMATICITIES else BT709
    transfer = points.transfer if points.transfer in TRANSFERS else SRGB_CURVE
    return CodePoints(primaries, transfer, points.matrix, points.full_range)


def is_srgb_like(points: CodePoints) -> bool:
    """Return whether samples with these code points are shown as they are."""
    return points.primaries == BT709 and points.transfer == SRGB_CURVE


def to_xyz(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ, under the white point of the primaries. Raises LinAlgError."""
    columns = np.array([[x, y, 1 - x - y] for x, y in primaries]).T
    goal = np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
    return columns * np.linalg.solve(columns, goal)


def adapted(matrix: NDArray[np.float64], white: tuple[float, float], to: tuple[float, float]) -> NDArray[np.float64]:
    """Return `matrix`, which ends in XYZ under `white`, with XYZ adapted to the white `to` by Bradford."""
    ends = [np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in (white, to)]
    gains = (_BRADFORD @ ends[1]) / (_BRADFORD @ ends[0])
    result: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ matrix
    return result


@lru_cache(16)
def _matrix(primaries: int) -> tuple[tuple[float, ...], ...]:
    """Return the matrix from linear RGB with these primaries to linear sRGB."""
    if primaries in _TO_SRGB:
        return tuple(map(tuple, _TO_SRGB[primaries]))
    if primaries == BT709:
        return ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    colours, white = CHROMATICITIES[primaries]
    srgb = to_xyz(*CHROMATICITIES[BT709])
    return tuple(map(tuple, (np.linalg.inv(srgb) @ adapted(to_xyz(colours, white), white, _D65)).tolist()))


def to_sdr(image: pyvips.Image, points: CodePoints, *, limited: bool = False) -> pyvips.Image:
    """Convert `image`, three bands of 8 or 16 bits, to 8-bit sRGB; nothing runs yet.

    Each channel becomes linear light, highlights of HDR are rolled off, and the colours are
    converted to the primaries of sRGB. Colours outside of sRGB are clipped.

    Args:
        image: Samples in full range, or, with `limited`, from 16/255 to 235/255.
        points: Known code points.
        limited: Whether the samples have the limited range.
    """
    levels = 65536 if image.format == "ushort" else 256
    table = pyvips.Image.new_from_array(_light(points.transfer, levels, limited).reshape(1, levels))
    linear = image.maplut(table).recomb([list(row) for row in _matrix(points.primaries)])
    return linear.copy(interpretation="scrgb").colourspace("srgb").cast("uchar")


def sdr_of_light(light: NDArray[np.float32], points: CodePoints) -> NDArray[np.uint8]:
    """Convert linear light, (h, w, 3) with 1 for white, to 8-bit sRGB, in the same steps as `to_sdr`."""
    shown = _roll_off(light) if points.transfer in (PQ, HLG) else light
    linear = np.clip(shown @ np.array(_matrix(points.primaries), np.float32).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    result: NDArray[np.uint8] = np.rint(encoded * 255).astype(np.uint8)
    return result


@lru_cache(4)
def _light(transfer: int, levels: int, limited: bool = False) -> NDArray[np.float32]:
    """Return the linear light of each level, 1 for white."""
    signal = np.arange(levels) / (levels - 1)
    if limited:
        signal = np.clip((signal * 255 - 16) / 219, 0, 1)
    if transfer == SRGB_CURVE:
        return np.fromiter(map(to_light, signal.tolist()), np.float32, levels)
    light = linear(signal, transfer)
    return (_roll_off(light) if transfer in (PQ, HLG) else light).astype(np.float32)


def linear(signal: Any, transfer: int) -> Any:
    """Return light as a multiple of white: the inverse of a formula of H.273, table 3.

    PQ (SMPTE ST 2084) and HLG (BT.2100, system gamma 1.2) give display light as a multiple of the reference white.
    """
    match transfer:
        case 16:
            m1, m2 = 2610 / 16384, 2523 / 4096 * 128
            c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
            root = signal ** (1 / m2)
            nits: NDArray[Any] = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
            return nits / _REFERENCE_WHITE_NITS
        case 18:
            white = _hlg_scene(np.array([_HLG_REFERENCE_WHITE]))[0]
            display: NDArray[Any] = (_hlg_scene(signal) / white) ** 1.2
            return display
        case 4:
            return np.maximum(signal, 0) ** 2.2
        case 5:
            return np.maximum(signal, 0) ** 2.8
        case 7:
            return _power_curve(signal, 1.1115, 0.0228, 4.0)
        case 8:
            return signal
        case 9 | 10:
            return np.where(signal > 0, 10.0 ** ((signal - 1) * (2.0 if transfer == 9 else 2.5)), 0.0)
        case 13:
            return np.where(signal <= 0.04045, signal / 12.92, (np.maximum(signal, 0) / 1.055 + 0.055 / 1.055) ** 2.4)
        case 17:
            return 52.37 / 48 * np.maximum(signal, 0) ** 2.6
        case _:  # 1, 6, 11, 12, 14 and 15 are one curve
            return _power_curve(signal, 1.099296826809442, 0.018053968510807, 4.5)


def _power_curve(signal: NDArray[Any], alpha: float, beta: float, slope: float) -> NDArray[Any]:
    """Return the inverse of `alpha * L ** 0.45 - (alpha - 1)` above `beta`, and of `slope * L` below."""
    power = (np.maximum(signal + (alpha - 1), 0) / alpha) ** (1 / 0.45)
    return np.where(signal < slope * beta, signal / slope, power)


def _hlg_scene(signal: NDArray[Any]) -> NDArray[Any]:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _roll_off(light: NDArray[Any]) -> NDArray[Any]:
    """Return `light` unchanged below the knee, and compressed towards 1 above it, with a continuous slope."""
    beyond = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    return np.where(light <= _KNEE, light, _KNEE + (1 - _KNEE) * beyond / (1 + beyond))
