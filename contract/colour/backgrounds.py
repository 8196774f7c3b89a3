"""What a fitted photo leaves free of a screen: a dark colour of the photo's own. Pure."""

from __future__ import annotations

from contract.colour.srgb import light_of, luminance_of, to_encoded
from contract.messages.processing import Palette

BACKGROUND_LIGHT = 0.0357
"""Of white's luminance (CIE L* 22): dark enough for the photo to stand out, and a frame does not glare at night."""


def background_of(palette: Palette) -> tuple[int, int, int]:
    """(red, green, blue), 0 to 255: the source colour, dimmed to at most `BACKGROUND_LIGHT` and muted, its hue kept."""
    light = light_of(palette.source_color)
    luminance = luminance_of(light)
    factor = min(1.0, BACKGROUND_LIGHT / luminance) if luminance > 0 else 1.0
    # Half way to grey: beside a photo a pure colour draws the eye.
    red, green, blue = (round(255 * to_encoded((part + luminance) / 2 * factor)) for part in light)
    return red, green, blue
