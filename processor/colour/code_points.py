"""HDR and wide colours that a HEIF file declares by code points instead of a profile.

Phones and cameras write such AVIF and HEIC: without this, their photos look dim and pale. The code
points are those of ITU-T H.273 in the `nclx` kind of the `colr` box (ISO/IEC 23008-12, 6.5.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from processor.codecs.vips import pyvips

if TYPE_CHECKING:
    from numpy.typing import NDArray

P3, BT2020 = 12, 9
SRGB_CURVE, PQ, HLG = 13, 16, 18

_HEADERS_END = 65536
_REFERENCE_WHITE_NITS = 203.0  # ITU-R BT.2408: where the white of ordinary pictures belongs
_HLG_REFERENCE_WHITE = 0.75  # the same white as an HLG signal
_KNEE = 0.6  # linear light below this stays; what is brighter shares the rest up to white

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
        """Whether treating the samples as sRGB would be visibly wrong."""
        return self.transfer in (PQ, HLG) or (self.primaries in _TO_SRGB and self.transfer == SRGB_CURVE)


def code_points(data: bytes) -> CodePoints | None:
    """What the first `nclx` box of a HEIF file says, or None if it has none near its beginning."""
    place = data.find(b"colrnclx", 0, _HEADERS_END)
    if place < 0 or len(data) < place + 12:
        return None
    return CodePoints(*(int.from_bytes(data[place + at : place + at + 2], "big") for at in (8, 10)))


def to_sdr(image: pyvips.Image, points: CodePoints) -> pyvips.Image:
    """`image`: three bands of 8 or 16 bits, full range. Returns 8-bit sRGB; nothing runs yet.

    Each channel is brought to linear light, its highlights are rolled off, and the colours are
    turned to sRGB's primaries; what lies outside of sRGB is cut.
    """
    levels = 65536 if image.format == "ushort" else 256
    signal = np.arange(levels) / (levels - 1)
    light = _roll_off(_linear(signal, points.transfer)) if points.transfer != SRGB_CURVE else _srgb_light(signal)
    table = pyvips.Image.new_from_array(light.astype(np.float32).reshape(1, levels))
    linear = image.maplut(table).recomb(_TO_SRGB.get(points.primaries, _UNCHANGED))
    return linear.copy(interpretation="scrgb").colourspace("srgb").cast("uchar")


def _linear(signal: NDArray[Any], transfer: int) -> NDArray[Any]:
    """Display light as a multiple of the reference white. PQ: SMPTE ST 2084. HLG: BT.2100, system gamma 1.2."""
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


def _srgb_light(signal: NDArray[Any]) -> NDArray[Any]:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _roll_off(light: NDArray[Any]) -> NDArray[Any]:
    """Unchanged below the knee, then ever slower towards 1, with no kink at the knee."""
    beyond = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    return np.where(light <= _KNEE, light, _KNEE + (1 - _KNEE) * beyond / (1 + beyond))
