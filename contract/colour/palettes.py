"""Palettes and backgrounds of photos, from a histogram and the colours that Material's score chose of it.

Plain Python, because the backend has no numpy.

A photo without any colour that Material would choose (black and white, fog) gets a neutral palette of its tones.
Material's fallback is the same blue for all such photos, which has nothing to do with the photo.
A photo with only a trace of colour gets a neutral palette as well.
A Material scheme keeps the hue of its source but sets its own chroma, so a trace would become full blue or full brown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from contract.colour.histogram import lab_of
from contract.colour.srgb import light_of, luminance_of, to_encoded
from contract.messages.processing import Colour, Histogram, Palette

PALETTE_COLOURS = 8
# Differences in L* that keep tones apart, tried in this order. Eight tones with the first fill the way from black to
# white; the last is about the smallest difference that an eye sees between neighbouring fields.
TONE_DISTANCES = (12, 8, 5, 3, 2, 1)
FAINT_CHROMA = 10.0
"""CIE Lab. Of 54 photos, two have no chosen colour beyond it, and both look black and white.
The next fainter photo has 18.7."""
FAINT_SHARE = 1 / 100
"""Share of the pixels. If fewer pixels exceed `FAINT_CHROMA`, they are a detail and not the photo's colour."""
COMMON_SHARE = 1 / 500
"""Share of the pixels. A rarer tone is a detail, which is used only if a photo has fewer than eight common tones."""
BACKGROUND_LIGHT = 0.0357
"""Share of white's luminance (CIE L* 22): the photo stands out, and the frame does not glare at night."""


def palette_of(chosen: Sequence[Colour], histogram: Histogram) -> Palette:
    """Return the palette of a photo.

    The palette is neutral, made of the photo's `tones`, if there is no chosen colour or the photo `is_faint`.

    Args:
        chosen: Up to eight scored colours, best first. If there are fewer, the first fills the remaining places.
        histogram: Colours and their populations, most frequent first; not empty.
    """
    neutral = not chosen or is_faint(chosen, histogram)
    best = tones(histogram) if neutral else list(chosen)
    padded = (best + [best[0]] * PALETTE_COLOURS)[:PALETTE_COLOURS]
    primary, secondary, tertiary = padded[:3]
    return Palette(
        primary=primary,
        secondary=secondary,
        tertiary=tertiary,
        source_color=primary,
        all_colors=tuple(padded),
        neutral=neutral,
    )


def is_faint(chosen: Sequence[Colour], histogram: Histogram) -> bool:
    """Return True if neither a chosen colour nor `FAINT_SHARE` of the pixels has more chroma than `FAINT_CHROMA`."""
    if any(_chroma(colour) > FAINT_CHROMA for colour in chosen):
        return False
    coloured = sum(population for colour, population in histogram.items() if _chroma(colour) > FAINT_CHROMA)
    return coloured < FAINT_SHARE * sum(histogram.values())


def _chroma(colour: Colour) -> float:
    _, a, b = lab_of(colour)
    return math.hypot(a, b)


def tones(histogram: Histogram) -> list[Colour]:
    """Return up to eight distinct colours of a histogram, both sorted by frequency, the most frequent first.

    Colours are taken in the order of their frequency.
    Each must differ in CIE L* from all taken before by the largest of `TONE_DISTANCES` that leaves eight colours.
    Where none leaves eight, the most frequent colours fill the list.
    """
    colours = list(histogram)
    enough = sum(histogram.values()) * COMMON_SHARE
    common = [colour for colour in colours if histogram[colour] >= enough]
    distinct: list[str] = []
    for distance in TONE_DISTANCES:
        distinct = []
        for colour in common:
            if all(abs(lab_of(colour)[0] - lab_of(taken)[0]) >= distance for taken in distinct):
                distinct.append(colour)
        if len(distinct) >= PALETTE_COLOURS:
            break
    return list(dict.fromkeys(distinct + colours))[:PALETTE_COLOURS]


def background_of(palette: Palette) -> tuple[int, int, int]:
    """Return the colour of the screen around a fitted photo: the source colour with its hue kept, dimmed and muted.

    Returns:
        (red, green, blue), 0 to 255, with at most `BACKGROUND_LIGHT` of white's luminance.
    """
    light = light_of(palette.source_color)
    luminance = luminance_of(light)
    factor = min(1.0, BACKGROUND_LIGHT / luminance) if luminance > 0 else 1.0
    # Halfway to grey: next to a photo a pure colour draws the eye.
    red, green, blue = (round(255 * to_encoded((part + luminance) / 2 * factor)) for part in light)
    return red, green, blue
