"""Is an ICC profile sRGB? Then converting by it changes nothing, and the conversion is not made.

A conversion through lcms costs as much as decoding the photo, and most photos that carry a profile
carry this one, in dozens of byte-wise different forms. So the profile is judged by its numbers
(ICC.1:2022, sections 7.2, 7.3, 10.6, 10.18, 10.31), not by its name, which a broken writer can copy.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_COLOUR_TOLERANCE = 0.002
_CURVE_TOLERANCE = 0.004

# sRGB primaries adapted to D50 by Bradford, as in the profile of IEC 61966-2-1.
_SRGB_COLUMNS = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_LOOKUP_TAGS = (b"A2B0", b"A2B1", b"A2B2")


def is_srgb(profile: bytes) -> bool:
    """Whether `profile` describes sRGB by a matrix and curves; False for whatever cannot be read."""
    try:
        return _is_srgb(profile)
    except (struct.error, ValueError, ZeroDivisionError, OverflowError):
        return False


def _is_srgb(profile: bytes) -> bool:
    if profile[12:20] != b"mntrRGB " or profile[36:40] != b"acsp":
        return False
    tags = _tags(profile)
    if any(tag in tags for tag in _LOOKUP_TAGS):
        return False
    for tag, expected in _SRGB_COLUMNS.items():
        if tag not in tags:
            return False
        found = struct.unpack(">iii", tags[tag][8:20])
        if any(abs(a / 65536 - b) > _COLOUR_TOLERANCE for a, b in zip(found, expected, strict=True)):
            return False
    return all(tag in tags and _is_srgb_curve(tags[tag]) for tag in (b"rTRC", b"gTRC", b"bTRC"))


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Tag signature to tag data; ValueError if the table promises more than a profile ever holds."""
    (count,) = struct.unpack(">I", profile[128:132])
    if count > 100:
        raise ValueError("too many tags")
    found: dict[bytes, bytes] = {}
    for index in range(count):
        signature, offset, size = struct.unpack(">4sII", profile[132 + 12 * index : 144 + 12 * index])
        found[signature] = profile[offset : offset + size]
    return found


def _is_srgb_curve(data: bytes) -> bool:
    curve = _curve(data)
    samples = [step / 16 for step in range(17)]
    return curve is not None and all(abs(curve(x) - _srgb_to_linear(x)) <= _CURVE_TOLERANCE for x in samples)


def _srgb_to_linear(value: float) -> float:
    """IEC 61966-2-1: encoded 0..1 to linear 0..1."""
    linear: float = value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
    return linear


def _curve(data: bytes) -> Callable[[float], float] | None:
    """The function that a `curv` or `para` tag describes; None for kinds that sRGB profiles do not use."""
    if data[:4] == b"curv":
        (count,) = struct.unpack(">I", data[8:12])
        if not 2 <= count <= 65536:
            return None
        table = struct.unpack(f">{count}H", data[12 : 12 + 2 * count])
        return lambda x: _interpolate(table, x)
    if data[:4] == b"para" and struct.unpack(">H", data[8:10]) == (3,):
        gamma, a, b, c, d = (value / 65536 for value in struct.unpack(">5i", data[12:32]))
        return lambda x: float(max(a * x + b, 0.0) ** gamma) if x >= d else c * x
    return None


def _interpolate(table: tuple[int, ...], x: float) -> float:
    place = x * (len(table) - 1)
    below = min(int(place), len(table) - 2)
    share = place - below
    return (table[below] * (1 - share) + table[below + 1] * share) / 65535
