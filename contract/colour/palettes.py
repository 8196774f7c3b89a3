"""Palettes from a histogram and the colours that Material's score chose of it; for both programs, so plain Python.

A photo without any colour that Material would choose (black and white, fog) gets a neutral palette:
its own tones, marked as such. Material's own answer would be the same blue for all of them, which no
frame's owner would recognise as the photo's. So does a photo with no more than a breath of colour, of which Material
would make full blue or full brown: a scheme keeps the hue of its source and gives it chroma of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from contract.colour.histogram import lab_of
from contract.messages.processing import Colour, Histogram, Palette

PALETTE_COLOURS = 8
# Differences in L* that keep tones apart: eight of the first fill the way from black to white, and
# the last is about the smallest that an eye sees on neighbouring fields.
TONE_GAPS = (12, 8, 5, 3, 2, 1)
FAINT_CHROMA = 10.0
"""CIE Lab. Of 54 photos two have no chosen colour beyond it, both black and white to the eye; the next fainter one
has 18.7."""
FAINT_SHARE = 1 / 100
"""Of the pixels: fewer than these beyond `FAINT_CHROMA` are a detail, not the photo's colour."""
COMMON_SHARE = 1 / 500
"""Of the pixels; a rarer tone stands for a detail, and comes in only where there are not eight common ones."""


def palette_of(chosen: Sequence[Colour], histogram: Histogram) -> Palette:
    """The palette of a photo whose `histogram` has entries, the most frequent first.

    `chosen` are up to eight colours of it that were scored, best first. A place without a colour of its own repeats
    the first. Without any, or in a photo that `is_faint`, the palette is neutral, of the photo's `tones`.
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
    """Whether neither a chosen colour nor `FAINT_SHARE` of the pixels has more chroma than `FAINT_CHROMA`."""
    if any(_chroma(colour) > FAINT_CHROMA for colour in chosen):
        return False
    coloured = sum(population for colour, population in histogram.items() if _chroma(colour) > FAINT_CHROMA)
    return coloured < FAINT_SHARE * sum(histogram.values())


def _chroma(colour: Colour) -> float:
    _, a, b = lab_of(colour)
    return math.hypot(a, b)


def tones(histogram: Histogram) -> list[Colour]:
    """Up to eight distinct colours of a histogram whose first is the most frequent, the most frequent first.

    From dark to light: taken in the order of their frequency, each must differ in CIE L* from all taken
    before by the largest of `TONE_GAPS` that leaves eight; where none does, the most frequent fill up.
    """
    colours = list(histogram)
    enough = sum(histogram.values()) * COMMON_SHARE
    common = [colour for colour in colours if histogram[colour] >= enough]
    apart: list[str] = []
    for gap in TONE_GAPS:
        apart = []
        for colour in common:
            if all(abs(lab_of(colour)[0] - lab_of(other)[0]) >= gap for other in apart):
                apart.append(colour)
        if len(apart) >= PALETTE_COLOURS:
            break
    filled = dict.fromkeys(apart + colours)
    return list(filled)[:PALETTE_COLOURS]
