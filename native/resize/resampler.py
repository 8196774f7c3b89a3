"""Lanczos-3 resizing of 8-bit RGB, any part of a picture to any size, turned on the way.

Two passes over tiles of sixteen result rows. Down the columns first (`resample_down.py`), with whole numbers of 16 and
32 bits. The sums are transposed, as floats, so that sixteen rows lie side by side, and the pass along the rows
is vectorised over rows: no lane is lost to the three colours. The last store turns bytes back into rows, or leaves
them as columns where the picture is to be turned by 90 degrees, which so costs nothing.

Every sum is exact. Weights of the first pass are multiples of 2^-14, its results are rounded to 1/16 of a level, and
weights of the second pass are multiples of 2^-11. Weights above zero sum to less than 1.3, those below it to more
than -0.3 (`tests/` look for the most). So no sum is beyond 255 * 2^15 * (1.3^2 + 0.3^2) = 14.9 million, which the
24 bits of a float32's mantissa hold, whatever the order and whether or not multiplication and addition are fused. So
the same picture comes out of every processor, compiled or not. Rounding costs less than a tenth of a level; the last
rounding to 8 bits costs 0.29.

CPU time for 1920 x 1080 from 2016 x 1512 pixels, next to libvips' `resize` with 31 ms: 5.7 ms with floats in both
passes, four fifths of that since. Tried: plain loops left to the compiler's vectoriser (89 ms); spans of 64, 128, 256,
512 and 1,024 source pixels at a time (10.1, 9.5, 6.9, 6.2 and 6.4 ms).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import Whole, kernel, part
from native.resize.down import ROWS, STRIP, in_pairs, sum_down
from native.resize.lanczos import axis_weights
from native.vectors.operations import load, multiply_add, splat, store_bytes, store_pixels, transpose_bytes, zero

_SPAN = 512  # source pixels whose columns are summed at a time: a tile of them stays in the second-level cache
_DOWN_UNIT = float(1 << 14)
_ALONG_UNIT = float(1 << 11)
_LEVELS = 16  # steps of a level that are kept between the passes
_DOWN_SCALE = np.float32(_LEVELS / _DOWN_UNIT)
_ALONG_SCALE = np.float32(1.0 / (_LEVELS * _ALONG_UNIT))
MIN_ROW_BYTES = STRIP

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Places = NDArray[np.int64]


@part
def _sum_along(
    tile: _Floats,
    from_byte: Whole,
    first: _Places,
    count: _Places,
    weights: _Floats,
    begin: Whole,
    end: Whole,
    backwards: bool,
    columns: _Bytes,
) -> None:
    """columns[48 * c + 16 * colour + r]: the pixels of result columns `begin` to `end`, mirrored if backwards."""
    taps = weights.shape[1]
    flat = weights.ravel()
    for column in range(begin, end):
        place = (3 * first[column] - from_byte) * ROWS
        weight = column * taps
        red, red_high = zero(), zero()
        green, green_high = zero(), zero()
        blue, blue_high = zero(), zero()
        for tap in range(count[column]):
            factor = splat(flat[weight + tap])
            red = multiply_add(load(tile, place), factor, red)
            red_high = multiply_add(load(tile, place + 8), factor, red_high)
            green = multiply_add(load(tile, place + 16), factor, green)
            green_high = multiply_add(load(tile, place + 24), factor, green_high)
            blue = multiply_add(load(tile, place + 32), factor, blue)
            blue_high = multiply_add(load(tile, place + 40), factor, blue_high)
            place += 3 * ROWS
        out = (end - 1 - column if backwards else column - begin) * 3 * ROWS
        store_bytes(columns, out, red, red_high, _ALONG_SCALE)
        store_bytes(columns, out + ROWS, green, green_high, _ALONG_SCALE)
        store_bytes(columns, out + 2 * ROWS, blue, blue_high, _ALONG_SCALE)


@part
def _put_rows(columns: _Bytes, samples: Whole, number: Whole, out: _Bytes, start: Whole, row_bytes: Whole) -> None:
    """`number` rows of `samples` bytes into the result from `start` on."""
    done = np.int64(0)
    if number == ROWS and samples >= ROWS:
        while done < samples:
            done = min(done, np.int64(samples - ROWS))  # the last block overlaps the one before
            transpose_bytes(columns, done * ROWS, out, start + done, row_bytes)
            done += ROWS
        return
    for row in range(number):
        for sample in range(samples):
            out[start + row * row_bytes + sample] = columns[sample * ROWS + row]


@part
def _put_columns(columns: _Bytes, width: Whole, number: Whole, out: _Bytes, start: Whole, row_bytes: Whole) -> None:
    """`width` columns of `number` pixels as rows of the result, which is turned, from `start` on."""
    for column in range(width):
        place = start + column * row_bytes
        first = column * 3 * ROWS
        if number == ROWS:
            store_pixels(columns, first, out, place)
            continue
        for row in range(number):
            for colour in range(3):
                out[place + 3 * row + colour] = columns[first + colour * ROWS + row]


@kernel(
    "void(Array(uint8, 1, 'C', readonly=True), int64, int64, int64, float64, float64, float64, float64, "
    "uint8[::1], int64, int64, boolean, boolean, boolean)"
)
def resize_into(
    source: _Bytes,
    row_bytes: Whole,
    height: Whole,
    width: Whole,
    left: float,
    top: float,
    box_width: float,
    box_height: float,
    out: _Bytes,
    out_width: Whole,
    out_height: Whole,
    mirror_across: bool,
    mirror_down: bool,
    turn: bool,
) -> None:
    """Fill `out` with the box of `source` at `out_width` x `out_height`, both as the source lies; then mirrored,
    and with rows and columns exchanged if `turn`. Sizes are not
    checked; `row_bytes` is at least `MIN_ROW_BYTES`, whatever `width` is.
    """
    first_row, row_count, row_weights = axis_weights(top, box_height, height, out_height, _DOWN_UNIT)
    first_pair, pair_count, pair_weights = in_pairs(first_row, row_count, row_weights)
    first_column, column_count, column_weights = axis_weights(left, box_width, width, out_width, _ALONG_UNIT)
    # A tile of result rows looks at no more source rows than these, and a span at no more columns.
    deepest = int(ROWS * max(box_height / out_height, 1.0)) + row_weights.shape[1] + 4
    widest = max(_SPAN, column_weights.shape[1]) + ROWS // 3 + 1
    strip = np.empty(deepest * STRIP, np.int16)
    block = np.zeros(ROWS * STRIP, np.float32)
    tile = np.empty((3 * widest + 2 * STRIP) * ROWS, np.float32)
    # Compared as floats: of a box of next to nothing no whole number of 64 bits says how many columns it has.
    most = int(min(float(out_width), widest * out_width / box_width + 2.0))
    columns = np.empty(most * 3 * ROWS, np.uint8)
    begin = np.int64(0)
    while begin < out_width:
        end = begin + 1
        while end < out_width and first_column[end] + column_count[end] - first_column[begin] <= _SPAN:
            end += 1
        from_byte = min(3 * first_column[begin], row_bytes - STRIP)
        to_byte = 3 * (first_column[end - 1] + column_count[end - 1])
        column = out_width - end if mirror_across else begin
        done = np.int64(0)
        while done < out_height:
            row = max(min(done, out_height - ROWS), 0)  # the last tile overlaps the one before
            number = min(np.int64(ROWS), out_height)
            sum_down(
                source, row_bytes, height, first_pair, pair_count, pair_weights, row, number, mirror_down,
                from_byte, to_byte, _DOWN_SCALE, strip, block, tile,
            )  # fmt: skip
            _sum_along(tile, from_byte, first_column, column_count, column_weights, begin, end, mirror_across, columns)
            put = out_height - row - number if mirror_down else row
            if turn:
                _put_columns(columns, end - begin, number, out, 3 * (column * out_height + put), 3 * out_height)
            else:
                _put_rows(columns, 3 * (end - begin), number, out, 3 * (put * out_width + column), 3 * out_width)
            done += ROWS
        begin = end
