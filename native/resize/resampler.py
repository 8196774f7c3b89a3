"""Lanczos-3 resizing of 8-bit RGB: any part of a picture to any size, turned upright in the same pass.

The picture is computed in tiles of sixteen output rows, in two passes.
The first pass sums down the columns (`down.py`), with integers of 16 and 32 bits.
Its sums are transposed as floats, so that sixteen rows are next to each other in memory.
The second pass, along the rows, is vectorised over rows, so that the three colours waste no lane.
The last store transposes the bytes back to rows.
For a rotation by 90 degrees it leaves them as columns, so the rotation costs nothing.

Every sum is exact, so every processor computes the same picture, compiled or not:

- Weights of the first pass are multiples of 2^-14, its results are rounded to 1/16 level, and weights of the second
  pass are multiples of 2^-11.
- Positive weights sum to less than 1.3, negative ones to more than -0.3 (the tests search for the extremes).
- So no sum exceeds 255 * 2^15 * (1.3^2 + 0.3^2) = 14.9 million. The 24 bits of a float32's mantissa represent it in any
  order of additions, and with or without fused operations.

Rounding costs less than a tenth of a level; the last rounding to 8 bits costs 0.29.

CPU time for 1920 x 1080 from 2016 x 1512 pixels: 5.7 ms with floats in both passes, four fifths of that since the
first pass uses integers; libvips' `resize` takes 31 ms.
Also measured: plain loops vectorised by the compiler (89 ms), and spans of 64, 128, 256, 512 and 1,024 source pixels
(10.1, 9.5, 6.9, 6.2 and 6.4 ms).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import Integer, helper, kernel
from native.resize.down import ROWS, STRIP, pair_weights, sum_down
from native.resize.lanczos import axis_weights
from native.vectors.operations import load, multiply_add, splat, store_bytes, store_pixels, transpose_bytes, zero

_SPAN = 512  # source pixels whose columns are summed together: their tile fits into the second-level cache
_DOWN_UNIT = float(1 << 14)
_ALONG_UNIT = float(1 << 11)
_LEVELS = 16  # steps per level between the passes
_DOWN_SCALE = np.float32(_LEVELS / _DOWN_UNIT)
_ALONG_SCALE = np.float32(1.0 / (_LEVELS * _ALONG_UNIT))
MIN_ROW_BYTES = STRIP

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]
_Indices = NDArray[np.int64]


@helper
def _sum_along(
    tile: _Floats,
    from_byte: Integer,
    first: _Indices,
    count: _Indices,
    weights: _Floats,
    begin: Integer,
    end: Integer,
    backwards: bool,
    columns: _Bytes,
) -> None:
    """Sum the output columns `begin` to `end` of a tile along the rows.

    Output: columns[48 * c + 16 * colour + r] is row r of column c, counted from `end` if `backwards`.
    """
    taps = weights.shape[1]
    flat = weights.ravel()
    for column in range(begin, end):
        index = (3 * first[column] - from_byte) * ROWS
        weight = column * taps
        red, red_high = zero(), zero()
        green, green_high = zero(), zero()
        blue, blue_high = zero(), zero()
        for tap in range(count[column]):
            factor = splat(flat[weight + tap])
            red = multiply_add(load(tile, index), factor, red)
            red_high = multiply_add(load(tile, index + 8), factor, red_high)
            green = multiply_add(load(tile, index + 16), factor, green)
            green_high = multiply_add(load(tile, index + 24), factor, green_high)
            blue = multiply_add(load(tile, index + 32), factor, blue)
            blue_high = multiply_add(load(tile, index + 40), factor, blue_high)
            index += 3 * ROWS
        out = (end - 1 - column if backwards else column - begin) * 3 * ROWS
        store_bytes(columns, out, red, red_high, _ALONG_SCALE)
        store_bytes(columns, out + ROWS, green, green_high, _ALONG_SCALE)
        store_bytes(columns, out + 2 * ROWS, blue, blue_high, _ALONG_SCALE)


@helper
def _put_rows(
    columns: _Bytes, samples: Integer, number: Integer, out: _Bytes, start: Integer, row_bytes: Integer
) -> None:
    """Write `number` rows of `samples` bytes to the result, from byte `start` on."""
    done = np.int64(0)
    if number == ROWS and samples >= ROWS:
        while done < samples:
            done = min(done, np.int64(samples - ROWS))  # the last block overlaps the previous one
            transpose_bytes(columns, done * ROWS, out, start + done, row_bytes)
            done += ROWS
        return
    for row in range(number):
        for sample in range(samples):
            out[start + row * row_bytes + sample] = columns[sample * ROWS + row]


@helper
def _put_columns(
    columns: _Bytes, width: Integer, number: Integer, out: _Bytes, start: Integer, row_bytes: Integer
) -> None:
    """Write `width` columns of `number` pixels as rows of the rotated result, from byte `start` on."""
    for column in range(width):
        index = start + column * row_bytes
        first = column * 3 * ROWS
        if number == ROWS:
            store_pixels(columns, first, out, index)
            continue
        for row in range(number):
            for colour in range(3):
                out[index + 3 * row + colour] = columns[first + colour * ROWS + row]


@kernel(
    "void(Array(uint8, 1, 'C', readonly=True), int64, int64, int64, float64, float64, float64, float64, "
    "uint8[::1], int64, int64, boolean, boolean, boolean)"
)
def resize_into(
    source: _Bytes,
    row_bytes: Integer,
    height: Integer,
    width: Integer,
    left: float,
    top: float,
    box_width: float,
    box_height: float,
    out: _Bytes,
    out_width: Integer,
    out_height: Integer,
    mirror_across: bool,
    mirror_down: bool,
    turn: bool,
) -> None:
    """Resize a box of `source` into `out`. Sizes are not validated.

    Args:
        source: Interleaved RGB, flat.
        row_bytes: Bytes per source row, at least `MIN_ROW_BYTES` even for a smaller `width`.
        height: Source rows.
        width: Source columns.
        left: Left edge of the box in source pixels; `top`, `box_width` and `box_height` accordingly.
        top: See `left`.
        box_width: See `left`.
        box_height: See `left`.
        out: Interleaved RGB, flat.
        out_width: Width of the result before it is rotated.
        out_height: Height of the result before it is rotated.
        mirror_across: Mirror left and right.
        mirror_down: Mirror top and bottom.
        turn: Exchange rows and columns at the end.
    """
    first_row, row_count, row_weights = axis_weights(top, box_height, height, out_height, _DOWN_UNIT)
    first_pair, pair_count, paired = pair_weights(first_row, row_count, row_weights)
    first_column, column_count, column_weights = axis_weights(left, box_width, width, out_width, _ALONG_UNIT)
    # Maximum number of source rows that a tile reads, and of columns that a span reads.
    max_rows = int(ROWS * max(box_height / out_height, 1.0)) + row_weights.shape[1] + 4
    max_span = max(_SPAN, column_weights.shape[1]) + ROWS // 3 + 1
    strip = np.empty(max_rows * STRIP, np.int16)
    block = np.zeros(ROWS * STRIP, np.float32)
    tile = np.empty((3 * max_span + 2 * STRIP) * ROWS, np.float32)
    # Compared as floats: for a tiny box the number of columns exceeds 64-bit integers.
    max_columns = int(min(float(out_width), max_span * out_width / box_width + 2.0))
    columns = np.empty(max_columns * 3 * ROWS, np.uint8)
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
            row = max(min(done, out_height - ROWS), 0)  # the last tile overlaps the previous one
            number = min(np.int64(ROWS), out_height)
            sum_down(
                source, row_bytes, height, first_pair, pair_count, paired, row, number, mirror_down,
                from_byte, to_byte, _DOWN_SCALE, strip, block, tile,
            )  # fmt: skip
            _sum_along(tile, from_byte, first_column, column_count, column_weights, begin, end, mirror_across, columns)
            target = out_height - row - number if mirror_down else row
            if turn:
                _put_columns(columns, end - begin, number, out, 3 * (column * out_height + target), 3 * out_height)
            else:
                _put_rows(columns, 3 * (end - begin), number, out, 3 * (target * out_width + column), 3 * out_width)
            done += ROWS
        begin = end
