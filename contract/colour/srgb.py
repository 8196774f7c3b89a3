"""sRGB values and linear light, converted in both directions (IEC 61966-2-1).

Plain Python, because the backend has no numpy.
"""

from __future__ import annotations

Triple = tuple[float, float, float]


def channels(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of `#RRGGBB`, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def to_light(value: float) -> float:
    """Convert an encoded value (0 to 1) to linear light (0 to 1)."""
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def to_encoded(light: float) -> float:
    """Convert linear light (0 to 1) to an encoded value (0 to 1)."""
    return float(12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def light_of(colour: str) -> Triple:
    """Return linear red, green and blue of `#RRGGBB`, 0 to 1."""
    red, green, blue = (to_light(channel / 255) for channel in channels(colour))
    return red, green, blue


def luminance_of(light: Triple) -> float:
    """Return the relative luminance (0 to 1) of linear red, green and blue."""
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]
