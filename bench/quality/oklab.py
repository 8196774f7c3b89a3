"""Errors of dithered pictures: OKLab and CIELAB after a blur that stands for the eye, all in linear light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGMA = 2.0
"""Standard deviation of the blur in pixels."""

Light = NDArray[np.float64]

# Ottosson 2020, https://bottosson.github.io/posts/oklab/
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# IEC 61966-2-1 and CIE 15, D65.
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.95047, 1.0, 1.08883])


def oklab(light: Light) -> Light:
    """Return OKLab of linear sRGB, shape (..., 3)."""
    return np.asarray(np.cbrt(light @ _TO_LMS.T) @ _TO_LAB.T)


def chroma(light: Light) -> Light:
    """Return the CIELAB chroma of linear sRGB, relative to D65."""
    share = light @ _TO_XYZ.T / _WHITE
    root = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.asarray(np.hypot(500 * (root[..., 0] - root[..., 1]), 200 * (root[..., 1] - root[..., 2])))


def blurred(light: Light) -> Light:
    """Blur a picture of shape (h, w, 3) with a Gaussian of `SIGMA`; edges are mirrored."""
    reach = round(4 * SIGMA)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    height, width = light.shape[:2]
    padded = np.pad(light, [(reach, reach), (0, 0), (0, 0)], mode="reflect")
    down = np.zeros_like(light)
    for shift, weight in enumerate(weights):
        down += weight * padded[shift : shift + height]
    padded = np.pad(down, [(0, 0), (reach, reach), (0, 0)], mode="reflect")
    across = np.zeros_like(light)
    for shift, weight in enumerate(weights):
        across += weight * padded[:, shift : shift + width]
    return across


def blurred_error(shown: Light, reference: Light) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the OKLab distance of a blurred picture from a reference.

    Args:
        shown: Light of the dithered picture.
        reference: OKLab of the blurred reference.
    """
    distance = np.sqrt(((oklab(blurred(shown)) - reference) ** 2).sum(-1))
    return float(distance.mean()), float(np.percentile(distance, 95))
