"""Similarity of two images: SSIM and PSNR, with numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_TAPS = 11
_SIGMA = 1.5
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-T T.871, as in JPEG


def ssim(first: Pixels, second: Pixels) -> float:
    """Return the mean structural similarity of the luma of two images (height, width, 3) of at least 11 x 11 pixels.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Trans. Image Processing 13 (2004): windows of 11 x 11 pixels weighted by a Gaussian
    of sigma 1.5, K1 = 0.01, K2 = 0.03, only windows completely inside the image. Equal images give 1.

    Raises:
        ValueError: The sizes differ or are too small.
    """
    _same_size(first, second)
    if min(first.shape[:2]) < _TAPS:
        raise ValueError(f"SSIM needs images of at least {_TAPS} x {_TAPS} pixels, not {first.shape[:2]}")
    a, b = first @ _LUMA, second @ _LUMA
    mean_a, mean_b = _weighted(a), _weighted(b)
    both = mean_a * mean_b
    squares = mean_a * mean_a + mean_b * mean_b
    variances = _weighted(a * a + b * b) - squares
    covariance = _weighted(a * b) - both
    similarity = (2 * both + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))
    return float(similarity.mean(dtype=np.float64))


def psnr(first: Pixels, second: Pixels) -> float:
    """Return the peak signal-to-noise ratio over all bands in dB; 99 for equal images. Raises ValueError."""
    _same_size(first, second)
    error = np.subtract(first, second, dtype=np.float32)
    mean = float(np.square(error).mean(dtype=np.float64))
    return min(99.0, 10 * float(np.log10(255.0**2 / mean))) if mean > 0 else 99.0


def _same_size(first: Pixels, second: Pixels) -> None:
    if first.shape != second.shape:
        raise ValueError(f"images of {first.shape} and {second.shape} cannot be compared")


def _weighted(values: Floats) -> Floats:
    """Return the Gaussian mean of every window inside the image, along columns and then along rows."""
    offsets = np.arange(_TAPS, dtype=np.float32) - _TAPS // 2
    weights = np.exp(-(offsets**2) / np.float32(2 * _SIGMA**2))
    weights /= weights.sum()
    height, width = values.shape
    down = weights[0] * values[: height - _TAPS + 1]
    for tap in range(1, _TAPS):
        down += weights[tap] * values[tap : height - _TAPS + 1 + tap]
    across: Floats = weights[0] * down[:, : width - _TAPS + 1]
    for tap in range(1, _TAPS):
        across += weights[tap] * down[:, tap : width - _TAPS + 1 + tap]
    return across
