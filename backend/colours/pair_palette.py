"""The colours that two photos have together, which are shown side by side.

From their histograms alone, by the processor's rules: two photos count the same, Material's score chooses, and a pair
without colour is neutral. The processor scores with compiled kernels, the backend with the library whose lists
those equal.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from contract.colour.histogram import merge
from contract.colour.palettes import PALETTE_COLOURS, palette_of
from contract.messages.processing import Histogram, Palette

KEPT_PAIRS = 1024
"""Palettes kept in memory, with their histograms about 6 KB each; making one took 15 ms of CPU."""

_NO_CHOICE = 0  # transparent black, which is no quantized colour
_decode = msgspec.json.Decoder(dict[str, int]).decode


def palette_of_pair(first: Histogram, second: Histogram) -> Palette:
    """The palette of two photos together; the order does not matter.

    A photo whose histogram is empty adds nothing. Raises ValueError if both are.
    """
    if not first and not second:
        raise ValueError("neither of the two photos has a histogram")
    lower, upper = sorted(msgspec.json.encode(histogram, order="deterministic") for histogram in (first, second))
    return _palette_of_pair(lower, upper)


def palette_of_histogram(histogram: Histogram) -> Palette:
    """The palette of a histogram that has entries, the most frequent first, of equals the smaller colour first."""
    from materialyoucolor.score.score import Score, ScoreOptions

    options = ScoreOptions(desired=PALETTE_COLOURS, fallback_color_argb=_NO_CHOICE, filter=True)
    argb = {0xFF000000 | int(colour[1:], 16): population for colour, population in histogram.items()}
    found: list[int] = Score.score(argb, options)
    return palette_of([f"#{colour & 0xFFFFFF:06X}" for colour in found if colour != _NO_CHOICE], histogram)


@lru_cache(maxsize=KEPT_PAIRS)
def _palette_of_pair(first: bytes, second: bytes) -> Palette:
    """Keyed by what the histograms say, so that a photo whose colours changed is never given its old ones."""
    return palette_of_histogram(merge(_decode(first), _decode(second)))
