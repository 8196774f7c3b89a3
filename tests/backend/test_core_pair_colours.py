"""The palette of two photos from their histograms, held against what the processor makes of the same colours."""

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
    """Colourful, nearly grey, or of few colours; the most frequent first."""
    source = random.Random(seed)
    found = {}
    for _ in range(source.choice((1, 3, 40, 128))):
        grey, spread = source.randrange(256), source.choice((0, 0, 3)) if seed % 3 == 0 else source.choice((12, 255))
        channels = (min(255, max(0, grey + source.randint(-spread, spread))) for _ in range(3))
        found["#{:02X}{:02X}{:02X}".format(*channels)] = source.randrange(1, 2000)
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def as_the_processor_does(histogram: Histogram) -> Palette:
    """Scored by its compiled kernels."""
    numbers = {(int(c[1:3], 16), int(c[3:5], 16), int(c[5:], 16)): population for c, population in histogram.items()}
    return palette_of(["#{:02X}{:02X}{:02X}".format(*colour) for colour in score(numbers, 8)], histogram)


def test_a_histogram_gives_the_processors_palette() -> None:
    histograms = [seeded(seed) for seed in range(90)]
    palettes = [palette_of_histogram(histogram) for histogram in histograms]
    assert palettes == [as_the_processor_does(histogram) for histogram in histograms]
    assert {palette.neutral for palette in palettes} == {True, False}


def test_pixels_and_their_histogram_give_the_same_palette() -> None:
    source = np.random.default_rng(3)
    for spread in (0, 2, 30, 128):
        grey = source.integers(0, 256, (400, 1))
        pixels = np.clip(grey + source.integers(-spread, spread + 1, (400, 3)), 0, 255).astype(np.uint8)
        palette, histogram = find_colours(pixels)
        assert palette_of_histogram(histogram) == palette


def test_pairs_give_the_processors_palette_of_their_merged_histogram() -> None:
    for seed in range(20):
        first, second = seeded(seed), seeded(seed + 50)
        assert palette_of_pair(first, second) == as_the_processor_does(merge(first, second))
        assert palette_of_pair(second, first) is palette_of_pair(first, second)


def test_both_photos_give_colours() -> None:
    palette = palette_of_pair(REDS, BLUES)
    assert {"#B02020", "#2030C0"} <= set(palette.all_colors)
    assert not palette.neutral


def test_a_grey_photo_beside_a_colourful_one_has_its_colours() -> None:
    assert palette_of_pair(GREYS, BLUES).primary in BLUES


def test_two_grey_photos_are_neutral() -> None:
    palette = palette_of_pair(GREYS, {"#404040": 5})
    assert palette.neutral
    assert palette.primary == "#404040"
    assert set(palette.all_colors) == {*GREYS, "#404040"}


def test_a_photo_of_which_nothing_is_known_adds_nothing() -> None:
    assert palette_of_pair({}, BLUES) == palette_of_histogram(merge(BLUES, {}))
    with pytest.raises(ValueError, match="neither"):
        palette_of_pair({}, {})


def test_results_are_kept_and_bounded() -> None:
    once = palette_of_pair(REDS, GREYS)
    assert palette_of_pair(dict(reversed(REDS.items())), dict(GREYS)) is once
    assert palette_of_pair({**REDS, "#B02020": 1}, GREYS) is not once
    assert _palette_of_pair.cache_info().maxsize == MAX_CACHED_PAIRS
