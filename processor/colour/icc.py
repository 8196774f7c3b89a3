"""Read ICC profiles that consist of a matrix and three curves, without lcms. Nearly all photos have such a profile.

A conversion through lcms costs as much as decoding the photo. Most photos with a profile have sRGB, in dozens of forms
with different bytes, and need no conversion. Most others have Display P3 or Adobe RGB, which `matrix.py` converts.
So a profile is identified by its numbers (ICC.1:2022, sections 7.2, 7.3, 9.2, 10.6, 10.18, 10.31) and not by its name,
which a faulty writer can copy. Profiles that this module does not read go to lcms.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from contract.colour.srgb import to_light
from contract.image_header.model import CodePoints
from processor.colour.code_points import known

_COLOUR_TOLERANCE = 0.002
_CURVE_TOLERANCE = 0.004
_WHITE_TOLERANCE = 0.01

SRGB_COLUMNS = ((0.4360747, 0.2225045, 0.0139322), (0.3850649, 0.7168786, 0.0971045), (0.1430804, 0.0606169, 0.7141733))
"""XYZ of the sRGB red, green and blue, adapted to D50 by Bradford, as in the profile of IEC 61966-2-1."""
_D50 = (0.9642, 1.0, 0.8249)
_COLUMN_TAGS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVE_TAGS = (b"rTRC", b"gTRC", b"bTRC")
_LOOKUP_TAGS = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2")
_PARAMETERS = (1, 3, 4, 5, 7)
"""Number of parameters of each of the five kinds of parametric curve (ICC.1:2022, table 68)."""

_MAX_TAG = 12 + 2 * 65536
"""Bytes of the longest curve that is read."""

CACHED_PROFILES = 16
"""Number of profiles in the cache: a camera writes the same profile into each photo."""
MAX_CACHED_BYTES = 1 << 19
"""Size in bytes of the largest profile that is cached.

This is enough for every profile that this module can read. A file may contain a profile a hundred times as large, which
would fill the cache.
"""

Curve = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class MatrixProfile:
    """A profile for RGB that is a matrix and curves.

    Attributes:
        columns: XYZ under D50 of the three primaries.
        curves: For each channel, the function from encoded 0..1 to linear light 0..1.
    """

    columns: tuple[tuple[float, float, float], ...]
    curves: tuple[Curve, ...]


def matrix_profile(profile: bytes) -> MatrixProfile | None:
    """Read `profile` if it is for RGB and consists of a matrix and curves; return None for any other profile."""
    try:
        return _read(profile)
    except (struct.error, ValueError, ArithmeticError):
        return None


def code_points_of(profile: bytes) -> CodePoints | None:
    """Return the known code points of the `cicp` tag of an RGB profile (ICC.1:2022, 9.2.17), or None."""
    if profile[16:20] != b"RGB " or profile[36:40] != b"acsp":
        return None
    try:
        data = _tags(profile).get(b"cicp", b"")
    except (struct.error, ValueError):
        return None
    if data[:4] != b"cicp" or len(data) < 12:
        return None
    return known(CodePoints(data[8], data[9], data[10], bool(data[11])))


def is_srgb(profile: bytes) -> bool:
    """Return whether `profile` describes sRGB by a matrix and curves; False for a profile that cannot be read."""
    return _is_srgb(profile) if len(profile) <= MAX_CACHED_BYTES else _is_srgb.__wrapped__(profile)


@lru_cache(CACHED_PROFILES)
def _is_srgb(profile: bytes) -> bool:
    matrix = matrix_profile(profile)
    if matrix is None:
        return False
    for column, expected in zip(matrix.columns, SRGB_COLUMNS, strict=True):
        if any(abs(a - b) > _COLOUR_TOLERANCE for a, b in zip(column, expected, strict=True)):
            return False
    samples = [step / 16 for step in range(17)]
    try:
        return all(abs(curve(x) - to_light(x)) <= _CURVE_TOLERANCE for curve in matrix.curves for x in samples)
    except ArithmeticError:  # for example an exponent below zero
        return False


def _read(profile: bytes) -> MatrixProfile | None:
    if profile[12:24] != b"mntrRGB XYZ " or profile[36:40] != b"acsp":
        return None
    tags = _tags(profile)
    if any(tag in tags for tag in _LOOKUP_TAGS) or any(tag not in tags for tag in _COLUMN_TAGS + _CURVE_TAGS):
        return None
    columns = tuple(_xyz(tags[tag]) for tag in _COLUMN_TAGS)
    white = [sum(parts) for parts in zip(*columns, strict=True)]
    if any(abs(actual - expected) > _WHITE_TOLERANCE for actual, expected in zip(white, _D50, strict=True)):
        return None
    curves = [_curve(tags[tag]) for tag in _CURVE_TAGS]
    return MatrixProfile(columns, tuple(curve for curve in curves if curve is not None)) if all(curves) else None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Return a mapping from each tag's signature to the beginning of the tag's data, at most `_MAX_TAG` bytes.

    No more bytes are copied, because each of a hundred tags may declare the whole file as its data.

    Raises:
        ValueError: The profile has more than 100 tags.
    """
    (count,) = struct.unpack(">I", profile[128:132])
    if count > 100:
        raise ValueError("too many tags")
    tags: dict[bytes, bytes] = {}
    for index in range(count):
        signature, offset, size = struct.unpack(">4sII", profile[132 + 12 * index : 144 + 12 * index])
        tags[signature] = profile[offset : offset + min(size, _MAX_TAG)]
    return tags


def _xyz(data: bytes) -> tuple[float, float, float]:
    x, y, z = struct.unpack(">iii", data[8:20])
    return x / 65536, y / 65536, z / 65536


def _curve(data: bytes) -> Curve | None:
    """Return the function of a `curv` or `para` tag (sections 10.6 and 10.18); None for another kind of tag."""
    if data[:4] == b"curv":
        (count,) = struct.unpack(">I", data[8:12])
        if count == 0:
            return lambda x: x
        if count == 1:
            gamma = struct.unpack(">H", data[12:14])[0] / 256
            return lambda x: float(x**gamma)
        if count > 65536:
            return None
        table = struct.unpack(f">{count}H", data[12 : 12 + 2 * count])
        return lambda x: _interpolate(table, x)
    if data[:4] == b"para":
        (kind,) = struct.unpack(">H", data[8:10])
        count = _PARAMETERS[kind] if kind < len(_PARAMETERS) else 0
        return _parametric(kind, [value / 65536 for value in struct.unpack(f">{count}i", data[12 : 12 + 4 * count])])
    return None


def _parametric(kind: int, numbers: list[float]) -> Curve | None:
    """Return the function of a parametric curve (ICC.1:2022, table 68), or None for an unknown kind.

    The function is `(a * x + b) ** gamma + above` for `x >= bend`, and `slope * x + below` for `x < bend`.
    """
    match kind, numbers:
        case 0, [gamma]:
            a, b, bend, above, slope, below = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
        case 1, [gamma, a, b]:
            bend, above, slope, below = -b / a, 0.0, 0.0, 0.0
        case 2, [gamma, a, b, above]:
            bend, slope, below = -b / a, 0.0, above
        case 3, [gamma, a, b, slope, bend]:
            above, below = 0.0, 0.0
        case 4, [gamma, a, b, slope, bend, above, below]:
            pass
        case _:
            return None
    return lambda x: float(max(a * x + b, 0.0) ** gamma + above) if x >= bend else slope * x + below


def _interpolate(table: tuple[int, ...], x: float) -> float:
    position = x * (len(table) - 1)
    before = min(int(position), len(table) - 2)
    share = position - before
    return (table[before] * (1 - share) + table[before + 1] * share) / 65535
