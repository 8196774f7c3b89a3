"""What a fitted photo leaves free of a screen: a dark colour of the photo's own. Pure."""

from __future__ import annotations

from contract.messages import Palette

BACKGROUND_LIGHT = 0.0357
"""Of white's luminance (CIE L* 22): dark enough for the photo to stand out, and a frame does not glare at night."""


def background_of(palette: Palette) -> tuple[int, int, int]:
    """(red, green, blue), 0 to 255: the source colour, dimmed to at most `BACKGROUND_LIGHT` and muted, its hue kept."""
    red, green, blue = (_light(int(palette.source_color[place : place + 2], 16) / 255) for place in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # IEC 61966-2-1
    factor = min(1.0, BACKGROUND_LIGHT / luminance) if luminance > 0 else 1.0
    grey = luminance * factor
    return _level(_mean(red * factor, grey)), _level(_mean(green * factor, grey)), _level(_mean(blue * factor, grey))


def _mean(light: float, grey: float) -> float:
    """Half way to grey: beside a photo a pure colour draws the eye."""
    return (light + grey) / 2


def _light(value: float) -> float:
    """IEC 61966-2-1: encoded 0..1 to linear 0..1."""
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def _level(light: float) -> int:
    """Linear 0..1 to 0..255."""
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))
