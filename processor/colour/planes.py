"""Convert Y, Cb and Cr by those matrices of ITU-T H.273 that libheif does not apply, or applies wrong.

libheif 1.23 rejects the matrices 11 and 14, reads 10 and 13 as if their luminance were not constant, and ignores the
limited range of 0 and 8. For these, the file is decoded with its matrix declared as 0 (identity) and its range as full.
The decoder then returns the planes as they are: Y as green, Cb as blue, Cr as red.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contract.image_header.model import CodePoints, HeifFacts
from processor.colour.code_points import CHROMATICITIES, HLG, linear, sdr_of_light, to_xyz

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IDENTITY, _YCGCO, _CL_2020, _YDZDX, _CL, _ICTCP = 0, 8, 10, 11, 13, 14
_ROWS = 64
_ICTCP_TO_LMS = {
    False: np.linalg.inv(np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096),
    True: np.linalg.inv(np.array([[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]) / 4096),
}
"""From I, Ct, Cp to the encoded L, M, S (BT.2100, table 7), for PQ and for HLG."""
_LMS_TO_RGB = np.linalg.inv(np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096)


def needs_planes(facts: HeifFacts, points: CodePoints | None) -> bool:
    """Return whether this module has to convert the samples, and the file can be decoded for it."""
    if points is None or facts.monochrome or not facts.matrix_offsets:
        return False
    if points.matrix in (_IDENTITY, _YCGCO):
        return not points.full_range
    return points.matrix in (_CL_2020, _YDZDX, _CL, _ICTCP)


def as_planes(data: bytes, facts: HeifFacts) -> bytes:
    """Return the file with the matrix 0 and the full range in its declarations of code points."""
    changed = bytearray(data)
    for offset in facts.matrix_offsets:
        changed[offset : offset + 2] = b"\0\0"
        changed[offset + 2] |= 0x80
    return bytes(changed)


def planes_to_sdr(pixels: NDArray[np.uint8 | np.uint16], points: CodePoints) -> NDArray[np.uint8]:
    """Convert planes to 8-bit sRGB, some rows at a time.

    Args:
        pixels: Cr, Y, Cb of shape (h, w, 3), 8 bits or scaled to 16 bits.
        points: Known code points, with the matrix and range of the file.
    """
    result = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _ROWS):
        part = pixels[top : top + _ROWS].astype(np.float32) / (257.0 if pixels.dtype == np.uint16 else 1.0)
        if points.full_range:
            y, cb, cr = part[..., 1] / 255, (part[..., 2] - 128) / 255, (part[..., 0] - 128) / 255
        else:
            y, cb, cr = (part[..., 1] - 16) / 219, (part[..., 2] - 128) / 224, (part[..., 0] - 128) / 224
        result[top : top + _ROWS] = sdr_of_light(_light(y, cb, cr, points).astype(np.float32), points)
    return result


def _light(y: NDArray[Any], cb: NDArray[Any], cr: NDArray[Any], points: CodePoints) -> NDArray[Any]:
    transfer = points.transfer
    match points.matrix:
        case 0:  # only in limited range, which is that of Y in all three planes
            encoded = np.stack([(cr * 224 + 112) / 219, y, (cb * 224 + 112) / 219], axis=-1)
        case 8:
            encoded = np.stack([y - cb + cr, y + cb, y - cb - cr], axis=-1)
        case 11:
            encoded = np.stack([2 * cr + 0.991902 * y, y, (2 * cb + y) / 0.986566], axis=-1)
        case 14:
            lms = np.clip(np.stack([y, cb, cr], axis=-1) @ _ICTCP_TO_LMS[transfer == HLG].T, 0, 1)
            rgb: NDArray[Any] = np.maximum(linear(lms, transfer) @ _LMS_TO_RGB.T, 0)
            return rgb
        case _:
            return _constant_luminance(y, cb, cr, points)
    light: NDArray[Any] = linear(np.clip(encoded, 0, 1), transfer)
    return light


def _constant_luminance(y: NDArray[Any], cb: NDArray[Any], cr: NDArray[Any], points: CodePoints) -> NDArray[Any]:
    """Undo the matrices 10 and 13, whose Y is the encoded luminance (H.273, 8.3, equations 47 to 53)."""
    primaries = 9 if points.matrix == _CL_2020 else points.primaries
    red, green, blue = to_xyz(*CHROMATICITIES[primaries])[1]
    bounds = [
        _encoded(1 - blue, points),
        1 - _encoded(blue, points),
        _encoded(1 - red, points),
        1 - _encoded(red, points),
    ]
    b = np.clip(y + 2 * cb * np.where(cb <= 0, bounds[0], bounds[1]), 0, 1)
    r = np.clip(y + 2 * cr * np.where(cr <= 0, bounds[2], bounds[3]), 0, 1)
    light_y, light_b, light_r = (linear(np.clip(channel, 0, 1), points.transfer) for channel in (y, b, r))
    light_g = np.maximum(light_y - red * light_r - blue * light_b, 0) / green
    return np.stack([light_r, light_g, light_b], axis=-1)


def _encoded(light: float, points: CodePoints) -> float:
    """Return the signal of an amount of light: the inverse of `linear`, by bisection."""
    low, high = 0.0, 1.0
    white = float(linear(np.array(1.0), points.transfer))
    for _ in range(40):
        middle = (low + high) / 2
        if float(linear(np.array(middle), points.transfer)) / white < light:
            low = middle
        else:
            high = middle
    return (low + high) / 2
