"""Material's ranking: which colours of a histogram a theme should be made from.

The rules are those of material-color-utilities (`Score`, with its filter): a hue counts by the share of pixels
within about 15 degrees of it, chroma counts above and below 48 with different weights, greys and
rare hues are left out, and the chosen ones lie as far apart in hue as the number wanted allows.
Order of operations as in materialyoucolor, whose lists ours equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.colour.hct import hue_and_chroma
from native.jit import kernel

HUES = 360
BEFORE, AFTER = 14, 16  # a hue reaches from 14 degrees before to 15 after it
TARGET_CHROMA = 48.0
WEIGHT_PROPORTION, WEIGHT_ABOVE, WEIGHT_BELOW = 0.7, 0.3, 0.1
MIN_CHROMA = 5.0
MIN_PROPORTION = 0.01
FARTHEST, NEAREST = 90, 15  # degrees between chosen hues: tried from the first down to the second


@kernel("int64[::1](int64[::1], int64[::1], int64)")
def rank(colours: NDArray[np.int64], populations: NDArray[np.int64], desired: int) -> NDArray[np.int64]:
    """Places in `colours` (0xRRGGBB, upper bits ignored) of at most `desired`, best first; empty if none qualifies."""
    n = colours.size
    hues = np.empty(n, np.float64)
    chromas = np.empty(n, np.float64)
    by_hue = np.zeros(HUES, np.int64)
    total = 1e-5
    for i in range(n):
        hues[i], chromas[i] = hue_and_chroma(colours[i])
        by_hue[int(hues[i]) % HUES] += populations[i]
        total += populations[i]
    excited = np.zeros(HUES, np.float64)
    for hue in range(HUES):
        proportion = by_hue[hue] / total
        for neighbour in range(hue - BEFORE, hue + AFTER):
            excited[neighbour % HUES] += proportion

    candidates = np.empty(n, np.int64)
    demerits = np.empty(n, np.float64)
    count = 0
    for i in range(n):
        proportion = excited[int(np.rint(hues[i])) % HUES]
        if chromas[i] < MIN_CHROMA or proportion <= MIN_PROPORTION:
            continue
        weight = WEIGHT_BELOW if chromas[i] < TARGET_CHROMA else WEIGHT_ABOVE
        candidates[count] = i
        demerits[count] = -(proportion * 100.0 * WEIGHT_PROPORTION + (chromas[i] - TARGET_CHROMA) * weight)
        count += 1
    order = np.argsort(demerits[:count], kind="mergesort")  # stable: of equals the first given comes first

    chosen = np.empty(min(desired, max(count, 1)), np.int64)
    taken = 0
    for apart in range(FARTHEST, NEAREST - 1, -1):
        taken = 0
        for place in order:
            hue = hues[candidates[place]]
            free = True
            for c in range(taken):
                if 180.0 - abs(abs(hue - hues[chosen[c]]) - 180.0) < apart:
                    free = False
                    break
            if free:
                chosen[taken] = candidates[place]
                taken += 1
                if taken >= desired:
                    return chosen
    return chosen[:taken].copy()
