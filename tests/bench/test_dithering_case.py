"""Arithmetic of the case `dithering`: OKLab, CIELAB chroma and the blur, with known values."""

from __future__ import annotations

import numpy as np
import pytest

from bench.contenders.dithering import light_of
from bench.quality.oklab import blurred, blurred_error, chroma, oklab


def test_oklab_has_the_published_values() -> None:
    # https://bottosson.github.io/posts/oklab/: white, and red of sRGB
    colours = light_of(np.array([(255, 255, 255), (255, 0, 0)], np.uint8))
    assert oklab(colours) == pytest.approx(np.array([(1, 0, 0), (0.62796, 0.22486, 0.12585)]), abs=2e-4)


def test_chroma_of_greys_is_nothing_and_that_of_red_is_known() -> None:
    colours = light_of(np.array([(0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0)], np.uint8))
    assert chroma(colours) == pytest.approx([0, 0, 0, 104.55], abs=0.1)


def test_blur_keeps_flat_areas_and_the_sum_of_a_dot() -> None:
    assert blurred(np.full((20, 30, 3), 0.25)) == pytest.approx(np.full((20, 30, 3), 0.25))
    dot = np.zeros((41, 41, 3))
    dot[20, 20] = 1
    spread = blurred(dot)
    assert spread.sum((0, 1)) == pytest.approx([1, 1, 1])
    # the middle of a Gaussian of sigma 2: 1 / (2 pi 4), for whole pixels
    assert spread[20, 20, 0] == pytest.approx(1 / (8 * np.pi), rel=0.01)


def test_error_is_a_distance_of_blurred_pictures() -> None:
    grey = np.full((12, 12, 3), 0.125)
    checkers = np.indices((12, 12)).sum(0)[..., None] % 2 * np.full(3, 0.25)
    assert blurred_error(checkers, oklab(grey)) == (pytest.approx(0, abs=0.01), pytest.approx(0, abs=0.02))
    assert blurred_error(np.ones((12, 12, 3)), oklab(grey)) == (pytest.approx(0.5), pytest.approx(0.5))
