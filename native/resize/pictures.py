"""Resizing 8-bit RGB pictures: sizes and types are checked here, the kernels trust them.

Both functions are deterministic: the same pixels give the same bytes on every machine, compiled or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_PIXELS = 1 << 31


def resize(
    picture: NDArray[np.uint8],
    width: int,
    height: int,
    *,
    box: tuple[float, float, float, float] | None = None,
    orientation: int = 1,
) -> NDArray[np.uint8]:
    """The part `box` of `picture`, upright, at `width` x `height`, by Lanczos 3: uint8 of shape (height, width, 3).

    `picture`: uint8 of shape (h, w, 3), C-contiguous or not, read only. `box` is (left, top, width, height) in its
    pixels, fractions allowed; all of it by default. `orientation` is the EXIF value, 1 to 8, of how the
    picture lies (table "Orientation" of EXIF 2.32); `width` and `height` are those of the upright result.
    Raises TypeError if `picture` is no array of uint8, ValueError for another shape, an orientation that does not
    exist, a size below 1, or a box that is empty or reaches more than a pixel beyond the picture.
    """
    _check(picture)
    rows, columns = picture.shape[:2]
    if width < 1 or height < 1 or width * height >= _MAX_PIXELS:
        raise ValueError(f"a picture of {width} x {height} pixels cannot be made")
    if not 1 <= orientation <= 8:
        raise ValueError(f"orientation must be from 1 to 8, not {orientation}")
    left, top, box_width, box_height = box if box is not None else (0.0, 0.0, float(columns), float(rows))
    inside = left >= -1 and top >= -1 and left + box_width <= columns + 1 and top + box_height <= rows + 1
    if not (inside and box_width > 0 and box_height > 0):
        raise ValueError(f"the box {box} does not lie in a picture of {columns} x {rows} pixels")
    from native.resize.resampler import MIN_ROW_BYTES, resize_into

    missing = -(-MIN_ROW_BYTES // 3) - columns
    if missing > 0:  # no weight falls on what is added
        picture = np.pad(picture, ((0, 0), (0, missing), (0, 0)))
    out = np.empty((height, width, 3), np.uint8)
    turn = orientation >= 5
    lying = (height, width) if turn else (width, height)
    resize_into(
        np.ascontiguousarray(picture).reshape(-1), 3 * picture.shape[1], rows, columns,
        left, top, box_width, box_height,
        out.reshape(-1), *lying, orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7), turn,
    )  # fmt: skip
    return out


def halve(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each square of 2 x 2 pixels as one, its mean rounded half up: uint8 of shape (h // 2, w // 2, 3).

    `picture`: uint8 of shape (h, w, 3), both at least 2; a last odd row or column is left out.
    Raises TypeError and ValueError as `resize` does.
    """
    _check(picture)
    rows, columns = picture.shape[:2]
    if rows < 2 or columns < 2:
        raise ValueError(f"a picture of {columns} x {rows} pixels cannot be halved")
    from native.resize.halving import SPARE, halve_into

    size = rows // 2 * (columns // 2) * 3
    out = np.empty(size + SPARE, np.uint8)
    halve_into(np.ascontiguousarray(picture).reshape(-1), rows, columns, out)
    return out[:size].reshape(rows // 2, columns // 2, 3)


def recolour(
    picture: NDArray[np.uint8], curves: NDArray[np.int32], matrix: NDArray[np.int32], back: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Each pixel through the curve of its channel, the matrix, and the curve back: uint8 of the same shape.

    `picture`: uint8 of shape (h, w, 3). `curves`: int32 (3, 256), light in 2^-15, at most 2^15. `matrix`: int32
    (3, 3), in 2^-14, each row's absolute values summing to less than 4. `back`: uint8 (2^14 + 1,), the level
    for light in 2^-14.
    Raises TypeError for other types, ValueError for other shapes or larger numbers.
    """
    _check(picture)
    if curves.dtype != np.int32 or matrix.dtype != np.int32 or back.dtype != np.uint8:
        raise TypeError("curves and matrix must be int32, the way back uint8")
    from native.resize.recolouring import LIGHT_BITS, MATRIX_BITS, STEPS_BITS, recolour_into

    if curves.shape != (3, 256) or matrix.shape != (3, 3) or back.shape != ((1 << STEPS_BITS) + 1,):
        raise ValueError(f"curves of {curves.shape}, matrix of {matrix.shape}, way back of {back.shape} do not fit")
    if curves.min() < 0 or curves.max() > 1 << LIGHT_BITS or np.abs(matrix).sum(1).max() >= 4 << MATRIX_BITS:
        raise ValueError("curves or matrix hold numbers too large for exact sums")
    out = np.empty(picture.shape, np.uint8)
    tables = np.ascontiguousarray(curves), np.ascontiguousarray(matrix), np.ascontiguousarray(back)
    recolour_into(np.ascontiguousarray(picture).reshape(-1), *tables, out.reshape(-1))
    return out


def _check(picture: NDArray[np.uint8]) -> None:
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        kind = picture.dtype if isinstance(picture, np.ndarray) else type(picture).__name__
        raise TypeError(f"a picture must be a numpy array of uint8, not {kind}")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ValueError(f"a picture must have the shape (height, width, 3) and pixels, not {picture.shape}")
