"""The vector operations in plain numpy: what `vectors_llvm*.py` must do, one lane at a time if need be.

Used where nothing is compiled (`NUMBA_DISABLE_JIT=1`), and by the tests as the obvious twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from native.jit import Whole

LANES = 8
BYTES = 16

Scalar = float | np.float32
Vector = NDArray[np.float32]
Sums = NDArray[np.int32]
Pairs = NDArray[np.int16]
Array = NDArray[Any]


def zero() -> Vector:
    """Eight zeros."""
    return np.zeros(LANES, np.float32)


def splat(value: Scalar) -> Vector:
    """Eight times the same float32."""
    return np.full(LANES, value, np.float32)


def load(array: Array, place: Whole) -> Vector:
    """Eight float32 of a flat array from `place` on."""
    return np.asarray(array[place : place + LANES], np.float32).copy()


def store(array: Array, place: Whole, vector: Vector) -> None:
    """Eight float32 into a flat array from `place` on."""
    array[place : place + LANES] = vector


def multiply_add(first: Vector, second: Vector, third: Vector) -> Vector:
    """`first` x `second` + `third`, each lane rounded once: exact in float64 for 24-bit factors, near enough."""
    return np.asarray(np.float64(first) * np.float64(second) + np.float64(third), np.float32)


def _round_scaled(vector: Vector, scale: Scalar) -> Vector:
    """floor(`vector` x `scale` + 1/2)."""
    return np.floor(multiply_add(vector, splat(scale), splat(0.5)))


def zero_sums() -> Sums:
    """Eight zeros."""
    return np.zeros(LANES, np.int32)


def store_pairs(source: Array, first: Whole, second: Whole, target: Array, start: Whole) -> None:
    """Sixteen uint8 from `first` on and sixteen from `second` on, alternately, as int16."""
    both = np.stack([source[first : first + BYTES], source[second : second + BYTES]], axis=1)
    target[start : start + 2 * BYTES] = both.reshape(-1)


def splat_pair(array: Array, place: Whole) -> Pairs:
    """Eight times the two int16 of a flat array from `place` on."""
    return np.tile(array[place : place + 2], LANES)


def add_products(array: Array, place: Whole, factors: Pairs, sums: Sums) -> Sums:
    """To each of eight sums the two products of a pair of int16, from `place` on, with `factors`."""
    products = array[place : place + 2 * LANES].astype(np.int32) * factors
    return np.asarray(sums + products.reshape(LANES, 2).sum(1), np.int32)


def round_sums(sums: Sums, scale: Scalar) -> Vector:
    """floor(`sums` x `scale` + 1/2); sums are below 2^24."""
    return _round_scaled(sums.astype(np.float32), scale)


def transpose_floats(source: Array, first: Whole, stride: Whole, target: Array, start: Whole, step: Whole) -> None:
    """target[start + step * x + r] = source[first + stride * r + x] for r and x from 0 to 7."""
    for row in range(LANES):
        for column in range(LANES):
            target[start + step * column + row] = source[first + stride * row + column]


def store_bytes(array: Array, place: Whole, low: Vector, high: Vector, scale: Scalar) -> None:
    """Sixteen uint8: both vectors times `scale`, rounded half up, held between 0 and 255."""
    both = _round_scaled(low, scale), _round_scaled(high, scale)
    array[place : place + BYTES] = np.clip(np.concatenate(both), 0, 255).astype(np.uint8)


def transpose_bytes(source: Array, first: Whole, target: Array, start: Whole, step: Whole) -> None:
    """target[start + step * r + x] = source[first + 16 * x + r] for r and x from 0 to 15."""
    for row in range(BYTES):
        for column in range(BYTES):
            target[start + step * row + column] = source[first + BYTES * column + row]


def store_pixels(source: Array, first: Whole, target: Array, start: Whole) -> None:
    """Sixteen pixels, RGB RGB ..., from sixteen reds, sixteen greens and sixteen blues."""
    planes = source[first : first + 3 * BYTES].reshape(3, BYTES)
    target[start : start + 3 * BYTES] = planes.T.reshape(-1)


def halve_four(above: Array, first: Whole, below: Array, second: Whole, target: Array, start: Whole) -> None:
    """Four RGB pixels of each of two rows become two: the mean of each square, rounded half up.

    Reads 16 bytes of each row and writes 8, of which the last two mean nothing.
    """
    upper = above[first : first + 12].astype(np.uint16).reshape(2, 2, 3)
    lower = below[second : second + 12].astype(np.uint16).reshape(2, 2, 3)
    target[start : start + 6] = ((upper.sum(1) + lower.sum(1) + 2) >> 2).reshape(-1).astype(np.uint8)
