"""The palette of two photos equals the palette that the processor computes from the same colours."""

from __future__ import annotations

import random

import numpy as np
import pytest

from backend.colours.pair_palette import MAX_CACHED_PAIRS, _palette_of_pair, palette_of_histogram, palette_of_pair
from contract.colour.histogram import merge
from contract.colour.palettes import palette_of
from contract.messages.processing import Histogram, Palette
from processor.render.palette import find_colours, score

REDS = {"#B02020": 900, "#701010": 300}
BLUES = {"#2030C0": 500, "#101060": 100}
GREYS = {"#808080": 700, "#202020": 600, "#F0F0F0": 20}


def seeded(seed: int) -> Histogram:
    """Return a histogram that is colourful, nearly grey, or has few colours, the most frequent first."""
    source = random.Random(seed)
    histogram = {}
    for _ in range(source.choice((1, 3, 40, 128))):
        grey, spread = source.randrange(256), source.choice((0, 0, 3)) if seed % 3 == 0 else source.choice((12, 255))
        channels = (min(255, max(0, grey + source.randint(-spread, spread))) for _ in range(3))
        histogram["#{:02X}{:02X}{:02X}".format(*channels)] = source.randrange(1, 2000)
    return dict(sorted(histogram.items(), key=lambda entry: (-entry[1], entry[0])))


def processor_palette(histogram: Histogram) -> Palette:
    """Return the palette that the processor's compiled kernels choose."""
    numbers = {(int(c[1:3], 16), int(c[3:5], 16), int(c[5:], 16)): population for c, population in histogram.items()}
    return palette_of(["#{:02X}{:02X}{:02X}".format(*colour) for colour in score(numbers, 8)], histogram)


def test_palette_of_histogram_equals_the_processors() -> None:
    histograms = [seeded(seed) for seed in range(90)]
    palettes = [palette_of_histogram(histogram) for histogram in histograms]
    assert palettes == [processor_palette(histogram) for histogram in histograms]
    assert {palette.neutral for palette in palettes} == {True, False}


def test_palette_of_histogram_equals_the_palette_of_the_pixels() -> None:
    source = np.random.default_rng(3)
    for spread in (0, 2, 30, 128):
        grey = source.integers(0, 256, (400, 1))
        pixels = np.clip(grey + source.integers(-spread, spread + 1, (400, 3)), 0, 255).astype(np.uint8)
        palette, histogram = find_colours(pixels)
        assert palette_of_histogram(histogram) == palette


def test_palette_of_pair_equals_the_processors_palette_of_the_merged_histogram() -> None:
    for seed in range(20):
        first, second = seeded(seed), seeded(seed + 50)
        assert palette_of_pair(first, second) == processor_palette(merge(first, second))
        assert palette_of_pair(second, first) is palette_of_pair(first, second)


def test_palette_of_pair_contains_colours_of_both_photos() -> None:
    palette = palette_of_pair(REDS, BLUES)
    assert {"#B02020", "#2030C0"} <= set(palette.all_colors)
    assert not palette.neutral


def test_palette_of_pair_with_grey_photo_has_colours_of_the_other() -> None:
    assert palette_of_pair(GREYS, BLUES).primary in BLUES


def test_palette_of_pair_of_grey_photos_is_neutral() -> None:
    palette = palette_of_pair(GREYS, {"#404040": 5})
    assert palette.neutral
    assert palette.primary == "#404040"
    assert set(palette.all_colors) == {*GREYS, "#404040"}


def test_palette_of_pair_ignores_an_empty_histogram() -> None:
    assert palette_of_pair({}, BLUES) == palette_of_histogram(merge(BLUES, {}))
    with pytest.raises(ValueError, match="neither"):
        palette_of_pair({}, {})


def test_palette_of_pair_is_cached_up_to_a_limit() -> None:
    cached = palette_of_pair(REDS, GREYS)
    assert palette_of_pair(dict(reversed(REDS.items())), dict(GREYS)) is cached
    assert palette_of_pair({**REDS, "#B02020": 1}, GREYS) is not cached
    assert _palette_of_pair.cache_info().maxsize == MAX_CACHED_PAIRS
