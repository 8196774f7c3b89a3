"""Pixels to quantize: seeded pictures with gradients and noise, and degenerate cases that break quantizers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def scene(seed: int, width: int = 32, height: int = 24) -> Pixels:
    """Return two gradients, some discs and a little noise: uint8 of shape (width * height, 3)."""
    random = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    corners = random.integers(0, 256, (3, 3)).astype(float)
    picture = corners[0] + across[..., None] * (corners[1] - corners[0]) + down[..., None] * (corners[2] - corners[0])
    for _ in range(5):
        x, y, radius = random.random(), random.random(), random.uniform(0.05, 0.25)
        picture[(across - x) ** 2 + (down - y) ** 2 < radius**2] = random.integers(0, 256, 3)
    noisy = picture + random.normal(0, 4, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8).reshape(-1, 3)


def degenerate() -> dict[str, Pixels]:
    ramp = np.arange(256, dtype=np.uint8)
    return {
        "one pixel": np.array([[7, 200, 31]], np.uint8),
        "one colour": np.full((500, 3), (12, 34, 56), np.uint8),
        "black": np.zeros((300, 3), np.uint8),
        "white": np.full((300, 3), 255, np.uint8),
        "two colours": np.array([[0, 0, 255], [255, 255, 0], [0, 0, 255]], np.uint8),
        "neighbours": np.array([[10, 10, 10], [10, 10, 11]], np.uint8),
        "grey ramp": np.stack([ramp, ramp, ramp], axis=1),
        "corners": np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8),
        "noise": np.random.default_rng(5).integers(0, 256, (700, 3)).astype(np.uint8),
    }
