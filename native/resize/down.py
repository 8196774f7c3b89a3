"""The resizer's first pass: down the columns, from bytes to whole sixteenths of a level.

Rows are taken two at a time. A strip of 64 bytes of both lies in memory as pairs of int16, and a pair of weights is
multiplied with a pair of bytes and summed in one instruction. Eight vectors share the load of a weight, and none waits
for its own last sum.

CPU time of both passes for the six pictures of a photo of 2016 x 1512 pixels: 13.3 ms. Before, with float32, one row at
a time: 15.6 ms, and with strips of 32 bytes, so four vectors, 17.0 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import Whole, part
from native.vectors.operations import (
    add_products,
    round_sums,
    splat_pair,
    store,
    store_pairs,
    transpose_floats,
    zero_sums,
)

ROWS = 16  # of a tile: two vectors of floats, or one of bytes
STRIP = 64  # bytes of a row whose columns are summed at a time

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Shorts = NDArray[np.int16]
_Places = NDArray[np.int64]


@part
def in_pairs(first: _Places, count: _Places, weights: _Floats) -> tuple[_Places, _Places, _Shorts]:
    """What each place takes, beginning with an even pixel and in pairs, filled up with weights of zero.

    Returns (first pixel, how many pairs, weights): int64 (n,), int64 (n,), int16 (n, twice the most pairs). `weights`
    are whole numbers below 2^15, since none is above 1.3 in units of 2^-14.
    """
    number, taps = weights.shape
    begin = np.empty(number, np.int64)
    pairs = np.empty(number, np.int64)
    paired = np.zeros((number, taps + 2), np.int16)
    for place in range(number):
        odd = first[place] % 2
        begin[place] = first[place] - odd
        pairs[place] = (odd + count[place] + 1) // 2
        for tap in range(count[place]):
            paired[place, odd + tap] = np.int16(weights[place, tap])
    return begin, pairs, paired


@part
def sum_down(
    source: _Bytes,
    row_bytes: Whole,
    height: Whole,
    first: _Places,
    pairs: _Places,
    weights: _Shorts,
    begin: Whole,
    number: Whole,
    upwards: bool,
    from_byte: Whole,
    to_byte: Whole,
    scale: np.float32,
    strip: _Shorts,
    block: _Floats,
    tile: _Floats,
) -> None:
    """tile[16 * (b - from_byte) + r]: row `begin` + r of byte column b, times `scale`, rounded; r mirrored if upwards.

    `first`, `pairs` and `weights` as `in_pairs` says; `strip` has room for as many rows as a tile looks at, and three.
    """
    taps = weights.shape[1]
    flat = weights.ravel()
    top, bottom = first[begin], np.int64(0)
    for row in range(begin, begin + number):
        bottom = max(bottom, first[row] + 2 * pairs[row])
    wanted = from_byte
    while wanted < to_byte:
        # The last strip may overlap the one before, so as not to read beyond the row.
        byte = min(wanted, row_bytes - STRIP)
        for row in range(top, bottom, 2):
            place = row * row_bytes + byte
            below = min(row + 1, height - 1) * row_bytes + byte  # beyond the last row its weight is zero
            to = (row - top) * STRIP
            for column in range(0, STRIP, 16):
                store_pairs(source, place + column, below + column, strip, to + 2 * column)
        for row in range(number):
            sum_0, sum_8, sum_16, sum_24 = zero_sums(), zero_sums(), zero_sums(), zero_sums()
            sum_32, sum_40, sum_48, sum_56 = zero_sums(), zero_sums(), zero_sums(), zero_sums()
            place = (first[begin + row] - top) * STRIP
            weight = (begin + row) * taps
            for pair in range(pairs[begin + row]):
                factors = splat_pair(flat, weight + 2 * pair)
                sum_0 = add_products(strip, place + 0, factors, sum_0)
                sum_8 = add_products(strip, place + 16, factors, sum_8)
                sum_16 = add_products(strip, place + 32, factors, sum_16)
                sum_24 = add_products(strip, place + 48, factors, sum_24)
                sum_32 = add_products(strip, place + 64, factors, sum_32)
                sum_40 = add_products(strip, place + 80, factors, sum_40)
                sum_48 = add_products(strip, place + 96, factors, sum_48)
                sum_56 = add_products(strip, place + 112, factors, sum_56)
                place += 2 * STRIP
            to = (number - 1 - row if upwards else row) * STRIP
            store(block, to + 0, round_sums(sum_0, scale))
            store(block, to + 8, round_sums(sum_8, scale))
            store(block, to + 16, round_sums(sum_16, scale))
            store(block, to + 24, round_sums(sum_24, scale))
            store(block, to + 32, round_sums(sum_32, scale))
            store(block, to + 40, round_sums(sum_40, scale))
            store(block, to + 48, round_sums(sum_48, scale))
            store(block, to + 56, round_sums(sum_56, scale))
        for column in range(0, STRIP, 8):
            place = (byte - from_byte + column) * ROWS
            transpose_floats(block, column, STRIP, tile, place, ROWS)
            transpose_floats(block, column + 8 * STRIP, STRIP, tile, place + 8, ROWS)
        wanted += STRIP
