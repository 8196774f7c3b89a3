"""Compare two images by SSIM and by colour difference in Lab, in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def luma(pixels: NDArray[np.uint8]) -> Floats:
    """Convert (h, w, 3) uint8 to luma (h, w), with the weights of JPEG (ITU-T T.871)."""
    weighted: Floats = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return weighted


def ssim(first: NDArray[np.uint8], second: NDArray[np.uint8], side: int = 8) -> float:
    """Return the mean SSIM (Wang et al. 2004) of the luma, over `side` x `side` windows at every pixel."""
    assert first.shape == second.shape, (first.shape, second.shape)
    a, b = luma(first), luma(second)
    mean_a, mean_b = _window_mean(a, side), _window_mean(b, side)
    variance_a = _window_mean(a * a, side) - mean_a**2
    variance_b = _window_mean(b * b, side) - mean_b**2
    covariance = _window_mean(a * b, side) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    )
    return float(similarity.mean())


def mean_delta_e(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the mean CIE 1976 colour difference of two sRGB images of shape (h, w, 3)."""
    return float(np.linalg.norm(lab(first) - lab(second), axis=-1).mean())


def lab(pixels: NDArray[np.uint8]) -> Floats:
    """Convert sRGB uint8 to CIE L*a*b* under D65 (IEC 61966-2-1, CIE 15)."""
    encoded = pixels.astype(np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    relative = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def _window_mean(values: Floats, side: int) -> Floats:
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    total: Floats = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return total / side**2
