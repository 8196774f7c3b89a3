"""Colour conversion by curves and a matrix, compared with plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import native

BACK = np.rint(np.sqrt(np.arange((1 << 14) + 1) / (1 << 14)) * 255).astype(np.uint8)


def tables(seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    chance = np.random.default_rng(seed)
    curves = np.sort(chance.integers(0, (1 << 15) + 1, (3, 256)), axis=1).astype(np.int32)
    return curves, chance.integers(-20_000, 20_000, (3, 3)).astype(np.int32)


def obvious(picture: NDArray[np.uint8], curves: NDArray[np.int32], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    light = np.stack([curves[channel][picture[:, :, channel]] for channel in range(3)], axis=2).astype(np.int64)
    return BACK[np.clip((light @ matrix.T.astype(np.int64) + (1 << 14)) >> 15, 0, 1 << 14)]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_kernel_agrees_with_its_twin(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    curves, matrix = tables(seed)
    assert np.array_equal(native.recolour(picture, curves, matrix, BACK), obvious(picture, curves, matrix))
    assert np.array_equal(
        native.recolour(picture[:, ::-1], curves, matrix, BACK)[:, ::-1], obvious(picture, curves, matrix)
    )


def test_recolour_rejects_invalid_arguments() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    curves, matrix = tables(1)
    with pytest.raises(TypeError, match="uint8"):
        native.recolour(np.zeros((2, 2, 3)), curves, matrix, BACK)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int32"):
        native.recolour(picture, curves.astype(np.int64), matrix, BACK)  # type: ignore[arg-type]
    for wrong in ((curves[:2], matrix, BACK), (curves, matrix[:2], BACK), (curves, matrix, BACK[:-1])):
        with pytest.raises(ValueError, match="must have the shapes"):
            native.recolour(picture, *wrong)
    for wrong in (
        (curves + np.int32(1 << 15), matrix, BACK),
        (curves - np.int32(1 << 15), matrix, BACK),
        (curves, matrix * np.int32(9), BACK),
    ):
        with pytest.raises(ValueError, match="too large"):
            native.recolour(picture, *wrong)
