"""Resizing and recolouring of 8-bit RGB pictures. Sizes and types are validated here; the kernels rely on it.

All functions are deterministic: the same pixels give the same bytes on every machine, compiled or not.
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
    """Resize a part of a picture with Lanczos 3, and turn it upright.

    Args:
        picture: uint8 of shape (h, w, 3), C-contiguous or not; not modified.
        width: Width of the upright result in pixels.
        height: Height of the upright result in pixels.
        box: (left, top, width, height) of the part in pixels of `picture`, fractions allowed; default: all of it.
        orientation: EXIF orientation of `picture`, 1 to 8 (EXIF 2.32, tag "Orientation").

    Returns:
        uint8 of shape (height, width, 3).

    Raises:
        TypeError: `picture` is not an array of uint8.
        ValueError: `picture` has another shape, `orientation` is out of range, the size is below 1 or too large,
            or the box is empty or extends more than a pixel beyond the picture.
    """
    _check(picture)
    rows, columns = picture.shape[:2]
    if width < 1 or height < 1 or width * height >= _MAX_PIXELS:
        raise ValueError(
            f"cannot resize to {width} x {height} pixels; both must be at least 1, their product below 2^31"
        )
    if not 1 <= orientation <= 8:
        raise ValueError(f"orientation must be from 1 to 8, not {orientation}")
    left, top, box_width, box_height = box if box is not None else (0.0, 0.0, float(columns), float(rows))
    inside = left >= -1 and top >= -1 and left + box_width <= columns + 1 and top + box_height <= rows + 1
    if not (inside and box_width > 0 and box_height > 0):
        raise ValueError(f"the box {box} is empty or outside of the picture of {columns} x {rows} pixels")
    from native.resize.resampler import MIN_ROW_BYTES, resize_into

    missing = -(-MIN_ROW_BYTES // 3) - columns
    if missing > 0:  # the added columns have no weight
        picture = np.pad(picture, ((0, 0), (0, missing), (0, 0)))
    out = np.empty((height, width, 3), np.uint8)
    turn = orientation >= 5
    unrotated = (height, width) if turn else (width, height)
    resize_into(
        np.ascontiguousarray(picture).reshape(-1), 3 * picture.shape[1], rows, columns,
        left, top, box_width, box_height,
        out.reshape(-1), *unrotated, orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7), turn,
    )  # fmt: skip
    return out


def halve(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace each square of 2 x 2 pixels by its mean, rounded half up.

    Args:
        picture: uint8 of shape (h, w, 3), h and w at least 2; a last odd row or column is dropped.

    Returns:
        uint8 of shape (h // 2, w // 2, 3).

    Raises:
        TypeError: `picture` is not an array of uint8.
        ValueError: `picture` has another shape or is too small.
    """
    _check(picture)
    rows, columns = picture.shape[:2]
    if rows < 2 or columns < 2:
        raise ValueError(f"cannot halve a picture of {columns} x {rows} pixels; both sides must be at least 2")
    from native.resize.halving import SPARE, halve_into

    size = rows // 2 * (columns // 2) * 3
    out = np.empty(size + SPARE, np.uint8)
    halve_into(np.ascontiguousarray(picture).reshape(-1), rows, columns, out)
    return out[:size].reshape(rows // 2, columns // 2, 3)


def recolour(
    picture: NDArray[np.uint8], curves: NDArray[np.int32], matrix: NDArray[np.int32], back: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Convert each pixel by the curve of its channel, a matrix, and one inverse curve.

    Args:
        picture: uint8 of shape (h, w, 3).
        curves: int32 (3, 256), light of each level in units of 2^-15, at most 2^15.
        matrix: int32 (3, 3), in units of 2^-14; the absolute values of each row sum to less than 4.
        back: uint8 (2^14 + 1,), level of each light in units of 2^-14.

    Returns:
        uint8 of the shape of `picture`.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument has another shape, or numbers are too large.
    """
    _check(picture)
    if curves.dtype != np.int32 or matrix.dtype != np.int32 or back.dtype != np.uint8:
        raise TypeError(
            f"curves and matrix must be int32 and back uint8, not {curves.dtype}, {matrix.dtype} and {back.dtype}"
        )
    from native.resize.recolouring import LIGHT_BITS, MATRIX_BITS, STEPS_BITS, recolour_into

    if curves.shape != (3, 256) or matrix.shape != (3, 3) or back.shape != ((1 << STEPS_BITS) + 1,):
        raise ValueError(
            f"curves, matrix and back must have the shapes (3, 256), (3, 3) and ({(1 << STEPS_BITS) + 1},), "
            f"not {curves.shape}, {matrix.shape} and {back.shape}"
        )
    if curves.min() < 0 or curves.max() > 1 << LIGHT_BITS or np.abs(matrix).sum(1).max() >= 4 << MATRIX_BITS:
        raise ValueError("curves or matrix contain numbers that are negative or too large for exact sums")
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
