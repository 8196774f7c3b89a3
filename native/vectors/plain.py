"""Vector operations in plain numpy, which define what `llvm*.py` must compute.

Used if compilation is disabled (`NUMBA_DISABLE_JIT=1`), and by the tests as the obvious twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from native.jit import Integer

LANES = 8
BYTES = 16

Scalar = float | np.float32
Vector = NDArray[np.float32]
Sums = NDArray[np.int32]
Pairs = NDArray[np.int16]
Array = NDArray[Any]


def zero() -> Vector:
    """Return eight zeros."""
    return np.zeros(LANES, np.float32)


def splat(value: Scalar) -> Vector:
    """Return eight times the same float32."""
    return np.full(LANES, value, np.float32)


def load(array: Array, index: Integer) -> Vector:
    """Load eight float32 of a flat array from `index` on."""
    return np.asarray(array[index : index + LANES], np.float32).copy()


def store(array: Array, index: Integer, vector: Vector) -> None:
    """Store eight float32 in a flat array from `index` on."""
    array[index : index + LANES] = vector


def multiply_add(first: Vector, second: Vector, third: Vector) -> Vector:
    """Return `first` x `second` + `third`, each lane rounded once: float64 is exact for products of 24-bit factors."""
    return np.asarray(np.float64(first) * np.float64(second) + np.float64(third), np.float32)


def _round_scaled(vector: Vector, scale: Scalar) -> Vector:
    """Return floor(`vector` x `scale` + 1/2)."""
    return np.floor(multiply_add(vector, splat(scale), splat(0.5)))


def zero_sums() -> Sums:
    """Return eight zeros."""
    return np.zeros(LANES, np.int32)


def store_pairs(source: Array, first: Integer, second: Integer, target: Array, start: Integer) -> None:
    """Interleave sixteen uint8 from `first` on and sixteen from `second` on, as int16."""
    both = np.stack([source[first : first + BYTES], source[second : second + BYTES]], axis=1)
    target[start : start + 2 * BYTES] = both.reshape(-1)


def splat_pair(array: Array, index: Integer) -> Pairs:
    """Return eight times the two int16 of a flat array from `index` on."""
    return np.tile(array[index : index + 2], LANES)


def add_products(array: Array, index: Integer, factors: Pairs, sums: Sums) -> Sums:
    """Add to each of eight sums the two products of a pair of int16, from `index` on, with `factors`."""
    products = array[index : index + 2 * LANES].astype(np.int32) * factors
    return np.asarray(sums + products.reshape(LANES, 2).sum(1), np.int32)


def round_sums(sums: Sums, scale: Scalar) -> Vector:
    """Return floor(`sums` x `scale` + 1/2); sums are below 2^24."""
    return _round_scaled(sums.astype(np.float32), scale)


def transpose_floats(
    source: Array, first: Integer, stride: Integer, target: Array, start: Integer, step: Integer
) -> None:
    """Set target[start + step * x + r] = source[first + stride * r + x] for r and x from 0 to 7."""
    for row in range(LANES):
        for column in range(LANES):
            target[start + step * column + row] = source[first + stride * row + column]


def store_bytes(array: Array, index: Integer, low: Vector, high: Vector, scale: Scalar) -> None:
    """Store sixteen uint8: both vectors times `scale`, rounded half up, clipped to 0..255."""
    both = _round_scaled(low, scale), _round_scaled(high, scale)
    array[index : index + BYTES] = np.clip(np.concatenate(both), 0, 255).astype(np.uint8)


def transpose_bytes(source: Array, first: Integer, target: Array, start: Integer, step: Integer) -> None:
    """Set target[start + step * r + x] = source[first + 16 * x + r] for r and x from 0 to 15."""
    for row in range(BYTES):
        for column in range(BYTES):
            target[start + step * row + column] = source[first + BYTES * column + row]


def store_pixels(source: Array, first: Integer, target: Array, start: Integer) -> None:
    """Interleave sixteen reds, sixteen greens and sixteen blues to sixteen pixels, RGB RGB ..."""
    planes = source[first : first + 3 * BYTES].reshape(3, BYTES)
    target[start : start + 3 * BYTES] = planes.T.reshape(-1)


def halve_four(above: Array, first: Integer, below: Array, second: Integer, target: Array, start: Integer) -> None:
    """Reduce four RGB pixels of each of two rows to two: the mean of each square, rounded half up.

    Reads 16 bytes of each row and writes 8, of which the last two are undefined.
    """
    upper = above[first : first + 12].astype(np.uint16).reshape(2, 2, 3)
    lower = below[second : second + 12].astype(np.uint16).reshape(2, 2, 3)
    target[start : start + 6] = ((upper.sum(1) + lower.sum(1) + 2) >> 2).reshape(-1).astype(np.uint8)
