"""Decide which of a file's declarations gives its colours. This is the only place with that order.

| Format | Order |
|---|---|
| JPEG, WebP, TIFF | ICC profile; Adobe RGB by EXIF; sRGB |
| PNG | `cICP`; ICC profile (`iCCP`); `sRGB`; `gAMA` and `cHRM`; Adobe RGB by EXIF; sRGB |
| AVIF, HEIC | ICC profile; code points of `colr`, each missing one from the bitstream; Adobe RGB by EXIF; sRGB |
| GIF | sRGB |

A `cicp` tag inside of a profile replaces the curves of the profile where the two differ.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
from msgspec import Struct

from contract.colour.srgb import to_light
from contract.image_header.model import CodePoints, ImageHeader, PngColour
from processor.colour.code_points import BT709, CHROMATICITIES, HLG, PQ, adapted, is_srgb_like, known, linear, to_xyz
from processor.colour.icc import code_points_of, matrix_profile

_D50 = (0.3457, 0.3585)
_SRGB_GAMMA, _GAMMA_TOLERANCE = 0.45455, 0.0005
_CHROMATICITY_TOLERANCE = 0.002
_GAMMAS = (0.05, 5.0)
_ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (0.3127, 0.3290)
_ADOBE_GAMMA = 563 / 256
_CURVE_TOLERANCE, _COLUMN_TOLERANCE = 0.01, 0.005


class Declaration(Struct, frozen=True):
    """The colours of a file: code points, or a profile, or, with neither, sRGB.

    Attributes:
        points: Known code points, which differ from sRGB.
        profile: An ICC profile, embedded or made from other declarations.
        limited: Whether RGB samples have the limited range.
        stretch: Whether grey samples come from the decoder in limited range.
    """

    points: CodePoints | None = None
    profile: bytes = b""
    limited: bool = False
    stretch: bool = False


def declared_colour(facts: ImageHeader, profile: bytes) -> Declaration:
    """Return the declaration that counts.

    Args:
        facts: The header of the file.
        profile: The embedded ICC profile, or empty.
    """
    if facts.png is not None and (points := known(facts.png.cicp)) is not None and facts.png.cicp is not None:
        limited = not facts.png.cicp.full_range
        return Declaration(points=None if is_srgb_like(points) and not limited else points, limited=limited)
    stretch = facts.heif is not None and facts.heif.monochrome and not _full_range(facts)
    if profile:
        points = code_points_of(profile)
        if points is not None and not _agrees(profile, points):
            return Declaration(points=None if is_srgb_like(points) else points, stretch=stretch)
        return Declaration(profile=profile, stretch=stretch)
    if facts.heif is not None:
        points = heif_points(facts)
        if points is not None and (points.primaries, points.transfer) != (BT709, 13):
            return Declaration(points=points, stretch=stretch)
    if facts.png is not None and not facts.png.is_srgb and (made := _png_profile(facts.png)):
        return Declaration(profile=made)
    adobe = facts.adobe_rgb and not (facts.png is not None and facts.png.is_srgb)
    return Declaration(profile=_adobe_rgb() if adobe else b"", stretch=stretch)


def heif_points(facts: ImageHeader) -> CodePoints | None:
    """Return the known code points of a HEIF file: those of `colr`, and each missing one from the bitstream."""
    if facts.heif is None:
        return None
    first, second = facts.heif.nclx, facts.heif.bitstream
    if first is None or second is None:
        return known(first or second)
    return known(
        CodePoints(
            first.primaries if first.primaries in CHROMATICITIES else second.primaries,
            first.transfer if known(CodePoints(transfer=first.transfer)) else second.transfer,
            first.matrix,
            first.full_range,
        )
    )


def _full_range(facts: ImageHeader) -> bool:
    declared = facts.heif and (facts.heif.nclx or facts.heif.bitstream)
    return declared.full_range if declared else facts.format == "avif"


def _agrees(profile: bytes, points: CodePoints) -> bool:
    """Return whether the matrix and curves of a profile describe its code points."""
    matrix = matrix_profile(profile)
    if matrix is None or points.transfer in (PQ, HLG):
        return False
    colours, white = CHROMATICITIES[points.primaries]
    columns = adapted(to_xyz(colours, white), white, _D50).T
    if np.abs(columns - np.array(matrix.columns)).max() > _COLUMN_TOLERANCE:
        return False
    signal = np.linspace(0, 1, 17)
    expected = linear(signal, points.transfer)
    try:
        curves = np.array([[curve(x) for x in signal.tolist()] for curve in matrix.curves])
    except ArithmeticError:
        return False
    return bool(np.abs(curves - expected).max() <= _CURVE_TOLERANCE)


@lru_cache(1)
def _adobe_rgb() -> bytes:
    """Return a profile of Adobe RGB (1998), sections 4.2 and 4.3."""
    return _made_profile(*_ADOBE_RGB, _ADOBE_GAMMA)


def _png_profile(colour: PngColour) -> bytes:
    """Return a profile of `gAMA` and `cHRM`; empty if they are missing, describe sRGB, or make no sense."""
    gamma = colour.gamma if colour.gamma is not None and _GAMMAS[0] <= colour.gamma <= _GAMMAS[1] else None
    if gamma is not None and abs(gamma - _SRGB_GAMMA) <= _GAMMA_TOLERANCE:
        gamma = None  # nearly all files with this value are sRGB
    primaries, white = CHROMATICITIES[BT709]
    own = colour.chromaticities
    if own is not None:
        expected = (*white, *(value for pair in primaries for value in pair))
        if max(abs(a - b) for a, b in zip(own, expected, strict=True)) > _CHROMATICITY_TOLERANCE:
            white = (own[0], own[1])
            primaries = ((own[2], own[3]), (own[4], own[5]), (own[6], own[7]))
        else:
            own = None
    if gamma is None and own is None:
        return b""
    try:
        return _made_profile(primaries, white, None if gamma is None else 1 / gamma)
    except (ArithmeticError, ValueError, struct.error, np.linalg.LinAlgError):  # chromaticities that no display has
        return b""


def _made_profile(primaries: tuple[tuple[float, float], ...], white: tuple[float, float], gamma: float | None) -> bytes:
    """Return an ICC profile with a matrix and one curve, that of sRGB without a `gamma` (ICC.1:2001-04)."""
    if white[1] <= 0:
        raise ValueError("the white point has no luminance")
    columns = adapted(to_xyz(primaries, white), white, _D50).T
    if not np.isfinite(columns).all() or np.abs(columns).max() > 4:
        raise ValueError("the chromaticities are out of range")
    if gamma is None:
        samples = [round(to_light(level / 1023) * 65535) for level in range(1024)]
    else:
        samples = [round((level / 4095) ** gamma * 65535) for level in range(4096)]
    curve = b"curv" + bytes(4) + struct.pack(f">I{len(samples)}H", len(samples), *samples)
    bodies = [
        b"XYZ " + bytes(4) + struct.pack(">iii", *(round(value * 65536) for value in column)) for column in columns
    ]
    bodies += [b"XYZ " + bytes(4) + struct.pack(">iii", 63190, 65536, 54061), curve, b"desc" + bytes(83)]
    names = [b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC", b"desc"]
    which = [0, 1, 2, 3, 4, 4, 4, 5]
    start = 128 + 4 + 12 * len(names)
    starts, blob = [], b""
    for body in bodies:
        starts.append(start + len(blob))
        blob += body + bytes(-len(body) % 4)
    table = struct.pack(">I", len(names))
    for name, index in zip(names, which, strict=True):
        table += name + struct.pack(">II", starts[index], len(bodies[index]))
    size = start + len(blob)
    head = struct.pack(">I4sI", size, bytes(4), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + blob
