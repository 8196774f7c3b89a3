"""Half the size: the mean of each square of 2 x 2 pixels, for small copies that need no sharp edges.

Separate from `resampler.py`, because importing a module loads its kernels.
CPU time for 2016 x 1512 pixels: 0.9 ms; a plain loop took 3.8 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.jit import Integer, kernel
from native.vectors.operations import halve_four

_PIXELS, _READ_BYTES = 4, 16  # pixels per operation, and the bytes that it reads
SPARE = 2  # bytes that the last operation writes beyond its pixels


@kernel("void(Array(uint8, 1, 'C', readonly=True), int64, int64, uint8[::1])")
def halve_into(source: NDArray[np.uint8], height: Integer, width: Integer, out: NDArray[np.uint8]) -> None:
    """Write the halved picture to `out`. A last odd row or column is dropped; means are rounded half up.

    Args:
        source: Interleaved RGB, flat, `height` x `width` pixels.
        height: Source rows.
        width: Source columns.
        out: Interleaved RGB, flat, half of both sizes rounded down, and `SPARE` more bytes.
    """
    row_bytes, out_bytes = 3 * width, 3 * (width // 2)
    for row in range(height // 2):
        above, below, target = 2 * row * row_bytes, (2 * row + 1) * row_bytes, row * out_bytes
        byte = 0
        while byte + _READ_BYTES <= row_bytes:
            halve_four(source, above + byte, source, below + byte, out, target + byte // 2)
            byte += 3 * _PIXELS
        for byte_index in range(byte // 2, out_bytes):
            first = above + byte_index // 3 * 6 + byte_index % 3
            second = below + byte_index // 3 * 6 + byte_index % 3
            total = np.int64(source[first]) + source[first + 3] + np.int64(source[second]) + source[second + 3]
            out[target + byte_index] = (total + np.int64(2)) >> 2
