"""Convert HDR and wide colours that a HEIF file declares by code points instead of a profile.

Phones and cameras write such AVIF and HEIC files; without this conversion, their photos look dim and pale.
The code points are those of ITU-T H.273 in the `nclx` kind of the `colr` box (ISO/IEC 23008-12, 6.5.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from contract.colour.srgb import to_light
from processor.codecs.vips import pyvips

if TYPE_CHECKING:
    from numpy.typing import NDArray

P3, BT2020 = 12, 9
SRGB_CURVE, PQ, HLG = 13, 16, 18

_HEADERS_END = 65536
_REFERENCE_WHITE_NITS = 203.0  # ITU-R BT.2408: luminance of the white of an SDR image
_HLG_REFERENCE_WHITE = 0.75  # the HLG signal of that white
_KNEE = 0.6  # linear light below this is unchanged; brighter light shares the range from here to white

# Linear RGB under D65 to linear sRGB, from the primaries' chromaticities (H.273, table 2).
_TO_SRGB = {
    P3: [[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0196, -0.0786, 1.0982]],
    BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
}
_UNCHANGED = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@dataclass(frozen=True, slots=True)
class CodePoints:
    """Colour primaries and transfer characteristics, numbered as in H.273."""

    primaries: int
    transfer: int

    @property
    def need_conversion(self) -> bool:
        """True if the samples would look visibly wrong as sRGB."""
        return self.transfer in (PQ, HLG) or (self.primaries in _TO_SRGB and self.transfer == SRGB_CURVE)


def code_points(data: bytes) -> CodePoints | None:
    """Return the code points of the first `nclx` box of a HEIF file, or None if there is none near its beginning."""
    start = data.find(b"colrnclx", 0, _HEADERS_END)
    if start < 0 or len(data) < start + 12:
        return None
    return CodePoints(*(int.from_bytes(data[start + at : start + at + 2], "big") for at in (8, 10)))


def to_sdr(image: pyvips.Image, points: CodePoints) -> pyvips.Image:
    """Convert `image`, three bands of 8 or 16 bits in full range, to 8-bit sRGB; nothing runs yet.

    Each channel becomes linear light, its highlights are rolled off, and the colours are
    converted to the primaries of sRGB. Colours outside of sRGB are clipped.
    """
    levels = 65536 if image.format == "ushort" else 256
    table = pyvips.Image.new_from_array(_light(points.transfer, levels).reshape(1, levels))
    linear = image.maplut(table).recomb(_TO_SRGB.get(points.primaries, _UNCHANGED))
    return linear.copy(interpretation="scrgb").colourspace("srgb").cast("uchar")


@lru_cache(4)
def _light(transfer: int, levels: int) -> NDArray[np.float32]:
    """Return the linear light of each level, 1 for white."""
    signal = np.arange(levels) / (levels - 1)
    if transfer == SRGB_CURVE:
        return np.fromiter(map(to_light, signal.tolist()), np.float32, levels)
    return _roll_off(_linear(signal, transfer)).astype(np.float32)


def _linear(signal: NDArray[Any], transfer: int) -> NDArray[Any]:
    """Return display light as a multiple of the reference white. PQ: SMPTE ST 2084. HLG: BT.2100, system gamma 1.2."""
    if transfer == PQ:
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = signal ** (1 / m2)
        nits: NDArray[Any] = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
        return nits / _REFERENCE_WHITE_NITS
    white = _hlg_scene(np.array([_HLG_REFERENCE_WHITE]))[0]
    display: NDArray[Any] = (_hlg_scene(signal) / white) ** 1.2
    return display


def _hlg_scene(signal: NDArray[Any]) -> NDArray[Any]:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _roll_off(light: NDArray[Any]) -> NDArray[Any]:
    """Return `light` unchanged below the knee, and compressed towards 1 above it, with a continuous slope."""
    beyond = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    return np.where(light <= _KNEE, light, _KNEE + (1 - _KNEE) * beyond / (1 + beyond))
