"""Colour histograms of photos: merging two into one, and measuring how near two are to each other.

Plain Python, because the backend has no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate

from contract.colour.srgb import light_of
from contract.messages.processing import Colour, Histogram

MAX_ENTRIES = 128
PHOTO_WEIGHT = 65536
"""Total population that each photo is scaled to before two are added: 256 x 256, the largest downsampled copy."""

HALVING_DISTANCE = 20.0
"""Lab units (CIE 1976) that the average pixel has to move for the nearness to be halved."""

Lab = tuple[float, float, float]
Profile = tuple[float, ...]

_AXIS = 1 / math.sqrt(3)
# Projections on the three axes are the same for dark red with light blue and for light red with dark blue.
# The diagonals of the cube separate them.
_DIRECTIONS = (
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (_AXIS, _AXIS, _AXIS),
    (_AXIS, _AXIS, -_AXIS),
    (_AXIS, -_AXIS, _AXIS),
    (_AXIS, -_AXIS, -_AXIS),
)
# sRGB in Lab spans L 0 to 100, a -87 to 99 and b -108 to 95, so every projection is between -130 and 180.
_LOWEST, _BIN, _BINS = -130.0, 5.0, 63
# A shift of length 1 moves a projection by 1/2 on average over all directions.
_UNITS_PER_STEP = 2 * _BIN / len(_DIRECTIONS)


def merge(first: Mapping[Colour, int], second: Mapping[Colour, int]) -> Histogram:
    """Return the histogram of two photos together, with equal weight and independent of their numbers of pixels.

    Each histogram is scaled to `PHOTO_WEIGHT` pixels, at least one per colour, and the populations are added.
    Of more than `MAX_ENTRIES` colours the most frequent remain.
    Each other colour is counted to the nearest of these in Lab.
    A histogram without entries adds nothing, and the order of the arguments does not matter.

    Returns:
        Colours and populations, most frequent first; on ties the smaller colour first.
    """
    added: dict[str, int] = {}
    for histogram in (first, second):
        total = sum(histogram.values())
        for colour, population in histogram.items():
            scaled = max(1, (2 * population * PHOTO_WEIGHT + total) // (2 * total))
            added[colour] = added.get(colour, 0) + scaled
    ordered = _by_population(added)
    frequent = dict(ordered[:MAX_ENTRIES])
    points = [(lab_of(colour), colour) for colour in frequent]
    for colour, population in ordered[MAX_ENTRIES:]:
        lab = lab_of(colour)
        frequent[min(points, key=lambda point: (math.dist(point[0], lab), point[1]))[1]] += population
    return dict(_by_population(frequent))


def nearness(first: Mapping[Colour, int], second: Mapping[Colour, int]) -> float:
    """Return how near the colours of two photos are, 0 to 1; equal shares of equal colours give 1.

    This is the sliced earth mover's distance in Lab.
    Along each of seven directions it is the work of moving one distribution of colours onto the other.
    In one dimension that work is the area between the two cumulative distributions.
    Twice the mean over all directions is about the number of Lab units that the average pixel has to move.
    Each `HALVING_DISTANCE` of it halves the nearness.
    The result is symmetric to the last bit, and 0 if a histogram has no entries.
    """
    if not first or not second:
        return 0.0
    return nearness_of_profiles(profile(first), profile(second))


def profile(histogram: Mapping[Colour, int]) -> Profile:
    """Return the projections that `nearness` compares. Cache them to compare one photo with many.

    Args:
        histogram: At least one entry.

    Returns:
        The share of pixels in each bin of each direction; a colour is divided between its two nearest bins.
    """
    shares = [0.0] * (_BINS * len(_DIRECTIONS))
    total = sum(histogram.values())
    for colour, population in histogram.items():
        share = population / total
        for index, upper in _bins_of(colour):
            shares[index] += share * (1 - upper)
            shares[index + 1] += share * upper
    return tuple(shares)


def nearness_of_profiles(first: Profile, second: Profile) -> float:
    """Return the `nearness` of two histograms from their profiles."""
    # The shares of each direction sum to one, so the running sum is zero again where the next direction begins.
    work = sum(map(abs, accumulate(left - right for left, right in zip(first, second, strict=True))))
    return math.pow(2.0, -work * _UNITS_PER_STEP / HALVING_DISTANCE)


@lru_cache(maxsize=8192)
def lab_of(colour: Colour) -> Lab:
    """Return CIE Lab (1976) of a `#RRGGBB` colour, with the matrix of sRGB (IEC 61966-2-1) and its white, D65."""
    red, green, blue = light_of(colour)
    x = _compress((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.9504700)
    y = _compress(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = _compress((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.0888300)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _by_population(populations: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(populations.items(), key=lambda entry: (-entry[1], entry[0]))


@lru_cache(maxsize=8192)
def _bins_of(colour: str) -> tuple[tuple[int, float], ...]:
    """Return for each direction the lower of the colour's two bins, and the share of the upper one."""
    lab = lab_of(colour)
    bins = []
    for number, direction in enumerate(_DIRECTIONS):
        projection = sum(value * part for value, part in zip(lab, direction, strict=True))
        position = (projection - _LOWEST) / _BIN
        bins.append((number * _BINS + int(position), position - int(position)))
    return tuple(bins)


def _compress(value: float) -> float:
    """Return the function f of CIE 15:2004, section 8.2.1.1: a cube root with a linear foot."""
    return math.cbrt(value) if value > (6 / 29) ** 3 else value * (29 / 6) ** 2 / 3 + 4 / 29
