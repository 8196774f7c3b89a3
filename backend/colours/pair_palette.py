"""The common palette of two photos that share a screen.

The palette follows from the two histograms by the rules of the processor: both photos have the same weight,
Material's score chooses the colours, and a pair without colour gets a neutral palette. The processor scores with
compiled kernels, the backend with the `materialyoucolor` library. Both return the same colours.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from contract.colour.histogram import merge
from contract.colour.palettes import PALETTE_COLOURS, palette_of
from contract.messages.processing import Histogram, Palette

MAX_CACHED_PAIRS = 1024
"""Palettes cached in memory, about 6 KB each with their histograms. Computing one took 15 ms of CPU time."""

_NO_CHOICE = 0  # transparent black, which the quantizer never returns
_decode = msgspec.json.Decoder(dict[str, int]).decode


def palette_of_pair(first: Histogram, second: Histogram) -> Palette:
    """Return the common palette of two photos; their order does not matter.

    Raises:
        ValueError: Both histograms are empty. A single empty histogram is ignored.
    """
    if not first and not second:
        raise ValueError("neither of the two photos has a histogram")
    lower, upper = sorted(msgspec.json.encode(histogram, order="deterministic") for histogram in (first, second))
    return _palette_of_pair(lower, upper)


def palette_of_histogram(histogram: Histogram) -> Palette:
    """Return the palette of a histogram with entries sorted by frequency, and on ties by colour."""
    from materialyoucolor.score.score import Score, ScoreOptions

    options = ScoreOptions(desired=PALETTE_COLOURS, fallback_color_argb=_NO_CHOICE, filter=True)
    argb = {0xFF000000 | int(colour[1:], 16): population for colour, population in histogram.items()}
    ranked: list[int] = Score.score(argb, options)
    return palette_of([f"#{colour & 0xFFFFFF:06X}" for colour in ranked if colour != _NO_CHOICE], histogram)


@lru_cache(maxsize=MAX_CACHED_PAIRS)
def _palette_of_pair(first: bytes, second: bytes) -> Palette:
    """Compute the palette. The cache key is the content of the histograms, so a changed photo gets a new palette."""
    return palette_of_histogram(merge(_decode(first), _decode(second)))
