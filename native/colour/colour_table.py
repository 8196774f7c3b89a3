"""Distinct colours of a large picture: one counter for each of the 16.7 million colours.

The counters take 64 MiB for a picture of any size, which may be added in pieces.
Separate from `histogram.py`, because importing a module loads its kernels, and a process with small pictures only does
not need this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from native.colour.histogram import BINS, RESTS
from native.jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = BINS * RESTS


@kernel("void(Array(uint8, 2, 'C', readonly=True), uint32[::1])")
def count_into(rgb: NDArray[np.uint8], table: NDArray[np.uint32]) -> None:
    """Count the pixels of `rgb`, uint8 of shape (n, 3), in `table`, uint32 of shape (COLOURS,), indexed by key."""
    for i in range(rgb.shape[0]):
        red, green, blue = np.int64(rgb[i, 0]), np.int64(rgb[i, 1]), np.int64(rgb[i, 2])
        bin_of_pixel = (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3
        table[bin_of_pixel << 9 | (red & 7) << 6 | (green & 7) << 3 | blue & 7] += 1


def colours_of(table: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return (keys, counts) of the colours that `table` has counted, as `histogram.distinct_colours` does."""
    keys = np.flatnonzero(table).astype(np.uint32)
    return keys, table[keys].astype(np.int64)
