"""`native.score` returns materialyoucolor's list, for histograms of every kind."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from materialyoucolor.score.score import Score, ScoreOptions

import native
from native import jit
from tests.native.pictures_of_colours import degenerate, scene

IN_THE_SUITE, IN_LONG = (600, 10_000) if jit.COMPILES else (30, 300)


def library(histogram: dict[int, int], desired: int, fallback: int) -> list[int]:
    options = ScoreOptions(desired=desired, fallback_color_argb=fallback, filter=True)
    scored: list[int] = Score.score(histogram, options)
    return scored


def histograms(count: int) -> Iterator[dict[int, int]]:
    """Yield seeded histograms: of pictures, random, near grey, equal populations, one hue, huge and zero ones."""
    chosen = random.Random(17)
    for n in range(count):
        kind = n % 6
        size = chosen.choice((1, 2, 5, 20, 128))
        if kind == 0:
            yield native.quantize(scene(n), chosen.choice((4, 16, 128)))
        elif kind == 1:
            yield {0xFF000000 | chosen.randrange(1 << 24): chosen.randrange(1, 10_000) for _ in range(size)}
        elif kind == 2:
            grey = [chosen.randrange(250) for _ in range(size)]
            yield {0xFF000000 | (g + chosen.randrange(5)) << 16 | g << 8 | g: chosen.randrange(1, 99) for g in grey}
        elif kind == 3:
            yield {0xFF000000 | chosen.randrange(1 << 24): 7 for _ in range(size)}
        elif kind == 4:
            yield {0xFF000000 | chosen.randrange(256): chosen.randrange(10**9) for _ in range(size)}
        else:
            yield {0xFF000000 | chosen.randrange(1 << 24): chosen.choice((0, 1, 10**6)) for _ in range(size)}


def compare(count: int) -> None:
    chosen = random.Random(23)
    for histogram in histograms(count):
        desired, fallback = chosen.choice((1, 3, 4, 8, 8, 8, 20)), chosen.choice((0, native.GOOGLE_BLUE))
        assert native.score(histogram, desired, fallback) == library(histogram, desired, fallback), histogram


def test_score_equals_the_library() -> None:
    compare(IN_THE_SUITE)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_score_of_10000_histograms_equals_the_library() -> None:
    compare(IN_LONG)


@pytest.mark.parametrize("name", degenerate())
def test_degenerate_pictures(name: str) -> None:
    histogram = native.quantize(degenerate()[name])
    assert native.score(histogram) == library(histogram, 8, native.GOOGLE_BLUE)


def test_score_without_colours_returns_the_fallback() -> None:
    assert native.score({}) == [0xFF4285F4]
    assert native.score({0xFF808080: 5}, fallback=3) == [3]


def test_score_on_ties_keeps_the_order_of_the_histogram() -> None:
    opaque, transparent = 0xFF3060C0, 0x3060C0  # the same colour twice: the scorer ignores alpha
    assert native.score({opaque: 5, transparent: 5})[0] == opaque
    assert native.score({transparent: 5, opaque: 5})[0] == transparent


def test_score_accepts_numpy_integers() -> None:
    assert native.score({int(np.uint32(0xFF3060C0)): np.int64(5)}, np.int64(8)) == [0xFF3060C0]  # type: ignore[dict-item,arg-type]


@pytest.mark.parametrize("desired", [0, -3])
def test_score_rejects_desired_below_one(desired: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        native.score({0xFF3060C0: 5}, desired)


def test_score_rejects_negative_populations() -> None:
    with pytest.raises(ValueError, match="negative"):
        native.score({0xFF3060C0: -5})
