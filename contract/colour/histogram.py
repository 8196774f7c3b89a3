"""Colour histograms of photos: two made into one, and how near two are to each other.

Plain Python, because both programs need it and one of them has no numpy.
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
"""What a photo's populations are scaled to before they are added: the pixels of the largest proxy, 256 x 256."""

HALVING_DISTANCE = 20.0
"""Lab units (CIE 1976) by which the average pixel has to move for nearness to be halved."""

Lab = tuple[float, float, float]
Profile = tuple[float, ...]

_AXIS = 1 / math.sqrt(3)
# The axes alone cannot tell dark red beside light blue from light red beside dark blue; the cube's diagonals can.
_DIRECTIONS = (
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (_AXIS, _AXIS, _AXIS),
    (_AXIS, _AXIS, -_AXIS),
    (_AXIS, -_AXIS, _AXIS),
    (_AXIS, -_AXIS, -_AXIS),
)
# sRGB in Lab lies within L 0 to 100, a -87 to 99, b -108 to 95, so on each direction within -130 and 180.
_LOWEST, _BIN, _BINS = -130.0, 5.0, 63
# A shift of length 1 moves a projection by 1/2 in the mean over all directions.
_UNITS_PER_STEP = 2 * _BIN / len(_DIRECTIONS)


def merge(first: Mapping[Colour, int], second: Mapping[Colour, int]) -> Histogram:
    """The histogram of two photos together, each with the same weight whatever its number of pixels.

    Each is scaled to `PHOTO_WEIGHT` pixels, every colour keeping at least one, and the populations are added.
    Of more than 128 colours the most frequent stay, and each other one is counted to the nearest of these in Lab.
    Most frequent first, of equals the smaller colour first; the order of the arguments does not matter.
    A histogram without entries adds nothing.
    """
    added: dict[str, int] = {}
    for histogram in (first, second):
        total = sum(histogram.values())
        for colour, population in histogram.items():
            scaled = max(1, (2 * population * PHOTO_WEIGHT + total) // (2 * total))
            added[colour] = added.get(colour, 0) + scaled
    ordered = _ordered(added)
    kept = dict(ordered[:MAX_ENTRIES])
    places = [(lab_of(colour), colour) for colour in kept]
    for colour, population in ordered[MAX_ENTRIES:]:
        lab = lab_of(colour)
        kept[min(places, key=lambda place: (math.dist(place[0], lab), place[1]))[1]] += population
    return dict(_ordered(kept))


def nearness(first: Mapping[Colour, int], second: Mapping[Colour, int]) -> float:
    """How alike two photos' colours are, 0 to 1; 1 for the same shares of the same colours.

    The sliced earth mover's distance in Lab: along each of seven directions the work of moving one
    distribution of colours onto the other, which in one dimension is the area between the two cumulated
    ones; twice their mean is about the number of Lab units that the average pixel has to move. Each
    `HALVING_DISTANCE` of it halves the nearness. Symmetric to the last bit. Of a photo without entries
    nothing is known: 0.
    """
    if not first or not second:
        return 0.0
    return nearness_of_profiles(profile(first), profile(second))


def profile(histogram: Mapping[Colour, int]) -> Profile:
    """What `nearness` needs of a histogram that has entries; kept by whoever compares it with many.

    The share of pixels in each bin of each direction, a colour divided among its two nearest bins.
    """
    shares = [0.0] * (_BINS * len(_DIRECTIONS))
    total = sum(histogram.values())
    for colour, population in histogram.items():
        share = population / total
        for place, upper in _places(colour):
            shares[place] += share * (1 - upper)
            shares[place + 1] += share * upper
    return tuple(shares)


def nearness_of_profiles(first: Profile, second: Profile) -> float:
    """`nearness` of the histograms that the profiles were made of."""
    # Every direction's shares sum to one, so the sum is back at zero where the next direction begins.
    work = sum(map(abs, accumulate(one - other for one, other in zip(first, second, strict=True))))
    return math.pow(2.0, -work * _UNITS_PER_STEP / HALVING_DISTANCE)


@lru_cache(maxsize=8192)
def lab_of(colour: Colour) -> Lab:
    """CIE Lab (1976) of a `#RRGGBB` colour, from the matrix of sRGB (IEC 61966-2-1) and its white, D65."""
    red, green, blue = light_of(colour)
    x = _bent((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.9504700)
    y = _bent(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = _bent((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.0888300)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _ordered(populations: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(populations.items(), key=lambda entry: (-entry[1], entry[0]))


@lru_cache(maxsize=8192)
def _places(colour: str) -> tuple[tuple[int, float], ...]:
    """For each direction the lower of the colour's two bins, and the share of the upper one."""
    lab = lab_of(colour)
    places = []
    for number, direction in enumerate(_DIRECTIONS):
        along = sum(value * part for value, part in zip(lab, direction, strict=True))
        place = (along - _LOWEST) / _BIN
        places.append((number * _BINS + int(place), place - int(place)))
    return tuple(places)


def _bent(value: float) -> float:
    """The function of CIE 15:2004, section 8.2.1.1: a cube root with a straight foot."""
    return math.cbrt(value) if value > (6 / 29) ** 3 else value * (29 / 6) ** 2 / 3 + 4 / 29
