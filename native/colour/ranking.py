"""Material's ranking of colours as the source of a theme.

The rules are those of material-color-utilities (`Score`, with its filter).
A hue counts by the share of pixels within about 15 degrees of it.
Chroma counts with different weights above and below 48.
Greys and rare hues are excluded.
The chosen colours are as far apart in hue as the requested number allows.
The order of operations is that of materialyoucolor, and the lists are equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.colour.hct import hue_and_chroma
from native.jit import kernel

HUES = 360
BEFORE, AFTER = 14, 16  # the neighbourhood of a hue: 14 degrees before it to 15 after it
TARGET_CHROMA = 48.0
WEIGHT_PROPORTION, WEIGHT_ABOVE, WEIGHT_BELOW = 0.7, 0.3, 0.1
MIN_CHROMA = 5.0
MIN_PROPORTION = 0.01
MAX_DISTANCE, MIN_DISTANCE = 90, 15  # degrees between chosen hues, tried from the first down to the second


@kernel("int64[::1](int64[::1], int64[::1], int64)")
def rank(colours: NDArray[np.int64], populations: NDArray[np.int64], desired: int) -> NDArray[np.int64]:
    """Rank colours.

    Args:
        colours: 0xRRGGBB of shape (n,); upper bits are ignored.
        populations: Shape (n,).
        desired: Maximum number of results, at least 1.

    Returns:
        Indices into `colours`, best first; empty if no colour qualifies.
    """
    n = colours.size
    hues = np.empty(n, np.float64)
    chromas = np.empty(n, np.float64)
    by_hue = np.zeros(HUES, np.int64)
    total = 1e-5
    for i in range(n):
        hues[i], chromas[i] = hue_and_chroma(colours[i])
        by_hue[int(hues[i]) % HUES] += populations[i]
        total += populations[i]
    neighbourhoods = np.zeros(HUES, np.float64)
    for hue in range(HUES):
        proportion = by_hue[hue] / total
        for neighbour in range(hue - BEFORE, hue + AFTER):
            neighbourhoods[neighbour % HUES] += proportion

    candidates = np.empty(n, np.int64)
    demerits = np.empty(n, np.float64)
    count = 0
    for i in range(n):
        proportion = neighbourhoods[int(np.rint(hues[i])) % HUES]
        if chromas[i] < MIN_CHROMA or proportion <= MIN_PROPORTION:
            continue
        weight = WEIGHT_BELOW if chromas[i] < TARGET_CHROMA else WEIGHT_ABOVE
        candidates[count] = i
        demerits[count] = -(proportion * 100.0 * WEIGHT_PROPORTION + (chromas[i] - TARGET_CHROMA) * weight)
        count += 1
    order = np.argsort(demerits[:count], kind="mergesort")  # stable: on ties the order of the arguments decides

    chosen = np.empty(min(desired, max(count, 1)), np.int64)
    number = 0
    for min_distance in range(MAX_DISTANCE, MIN_DISTANCE - 1, -1):
        number = 0
        for index in order:
            hue = hues[candidates[index]]
            far_enough = True
            for c in range(number):
                if 180.0 - abs(abs(hue - hues[chosen[c]]) - 180.0) < min_distance:
                    far_enough = False
                    break
            if far_enough:
                chosen[number] = candidates[index]
                number += 1
                if number >= desired:
                    return chosen
    return chosen[:number].copy()
