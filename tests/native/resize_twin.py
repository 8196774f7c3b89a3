"""Slow and obvious resizer: Lanczos 3 in float64, one axis after the other, rounded only at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
"""Operations that turn a stored picture upright, by EXIF orientation."""


def weights(start: float, length: float, available: int, wanted: int) -> NDArray[np.float64]:
    """Return the share of each source pixel in each output pixel, shape (wanted, available)."""
    ratio = length / wanted
    stretch = max(ratio, 1.0)
    centres = np.clip(start + (np.arange(wanted) + 0.5) * ratio, 0, available)  # outside, the weights at the edge apply
    distance = (np.arange(available) + 0.5 - centres[:, None]) / stretch
    lanczos = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0.0)
    return np.asarray(lanczos / lanczos.sum(1, keepdims=True))


def resized(
    picture: NDArray[np.uint8], width: int, height: int, box: tuple[float, float, float, float] | None = None
) -> NDArray[np.float64]:
    """Return the resized picture, float64 of shape (height, width, 3), levels 0 to 255."""
    rows, columns = picture.shape[:2]
    left, top, box_width, box_height = box or (0.0, 0.0, float(columns), float(rows))
    down = weights(top, box_height, rows, height)
    along = weights(left, box_width, columns, width)
    summed = np.tensordot(down, picture.astype(np.float64), (1, 0))
    return np.clip(np.tensordot(along, summed, (1, 1)).swapaxes(0, 1), 0, 255)
