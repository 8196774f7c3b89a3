"""From pixels to distinct colours and how often each occurs.

A colour's bin is the upper five bits of each channel (Wu's histogram has as many), its rest the lower
three of each: key = bin << 9 | rest. Colours come out bin by bin, which is what Wu's moments and the
first assignment of k-means want to walk along; within a bin their order means nothing.

On 256 x 192 proxies of real photos, CPU: a counting sort by bin and then 512 counters a bin 0.43 ms. Tried: a hash
table with open addressing 1.5 ms; numpy's sort of whole keys 0.29 ms before runs are counted, which is
a draw, and slower where numpy has no SIMD sort for the processor; packing each pixel into a key first and sorting
keys 0.03 ms more; one counter for each of the 16.7 million colours 17 ms, nearly all of it touching memory.
The last is the form whose memory does not grow with the picture, so large ones take it (`colour_table.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import kernel

BINS = 1 << 15
RESTS = 1 << 9


@kernel("Tuple((uint32[::1], int64[::1]))(Array(uint8, 2, 'C', readonly=True))")
def distinct_colours(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """(keys, counts) of the distinct colours of `rgb`, uint8 of shape (n, 3); keys grouped by bin, ascending.

    Takes 6 bytes a pixel besides the result.
    """
    n = rgb.shape[0]
    bins = np.empty(n, np.uint16)
    ends = np.zeros(BINS + 1, np.int64)
    for i in range(n):
        red, green, blue = np.int64(rgb[i, 0]), np.int64(rgb[i, 1]), np.int64(rgb[i, 2])
        of_pixel = (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3
        bins[i] = of_pixel
        ends[of_pixel + 1] += 1
    for each in range(BINS):
        ends[each + 1] += ends[each]
    rests = np.empty(n, np.uint16)
    # ends[bin] is where the bin begins until its pixels are placed, and where it ends afterwards.
    for i in range(n):
        red, green, blue = np.int64(rgb[i, 0]), np.int64(rgb[i, 1]), np.int64(rgb[i, 2])
        place = ends[bins[i]]
        ends[bins[i]] = place + 1
        rests[place] = (red & 7) << 6 | (green & 7) << 3 | blue & 7
    keys = np.empty(n, np.uint32)
    counts = np.empty(n, np.int64)
    counters = np.zeros(RESTS, np.int64)
    found = 0
    begin = np.int64(0)
    for each in range(BINS):
        end = ends[each]
        if end == begin:
            continue
        first = found
        for i in range(begin, end):
            rest = np.int64(rests[i])
            # Written whether new or not, and kept if new: a branch here is mispredicted every other time.
            keys[found] = each << 9 | rest
            found += 1 if counters[rest] == 0 else 0
            counters[rest] += 1
        for i in range(first, found):
            rest = np.int64(keys[i]) & (RESTS - 1)
            counts[i] = counters[rest]
            counters[rest] = 0
        begin = end
    return keys[:found].copy(), counts[:found].copy()
