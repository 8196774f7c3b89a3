"""Tables of a set of inks: which ink is nearest to a colour, and how a colour is brought into the range of the inks.

The neutral axis leads from the darkest to the lightest grey ink. Neutral photos are shown on it, so their whites have
the tint of the white ink: a viewer adapts to it, and blue dots in a white wall are worse.

A colour outside of the range loses chroma or luminance (`gamut.py`). At constant luminance, an orange fish became pink
and skies grey, because saturated inks are dark.

All arithmetic is in integers, so the tables are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import gcd

import numpy as np
from numpy.typing import NDArray

from native.dither.diffusion import (
    BLUE_WEIGHT,
    CODE_SHIFT,
    GAMUT_BITS,
    GREEN_WEIGHT,
    INK_BITS,
    MARGIN,
    RED_WEIGHT,
    THRESHOLD_BITS,
)
from native.dither.gamut import fill_gamut, fill_nearest
from native.dither.oklab import LIGHT, LIGHT_BITS, LIGHT_UNIT, ROOT, ROOT_BITS, oklab_of

Inks = tuple[tuple[int, int, int], ...]
"""sRGB colours of inks, components 0 to 255."""

MIN_INKS = 2
MAX_INKS = 16
_GREY_CHROMA = 740
"""OKLab chroma in units of 2^-14 (0.045) below which an ink is grey. Measured blacks and whites have up to 0.03, the
greyest coloured ink (the green of Spectra 6) 0.07."""
_MIN_CONTRAST = LIGHT_UNIT >> 6
_GAMUT_STEPS = 1 << GAMUT_BITS
_INK_STEPS = 1 << INK_BITS


@dataclass(frozen=True, slots=True, eq=False)
class InkTables:
    """The arguments of `diffusion.diffuse_into` that depend on the inks alone, with the names that it describes.

    Attributes:
        greys: Numbers of the grey inks, from the darkest to the lightest.
        black: Luminance of the darkest grey ink, in units of 2^-14.
        white: Luminance of the lightest grey ink.
    """

    inks: NDArray[np.int64]
    axis: NDArray[np.int64]
    coloured: NDArray[np.int64]
    gamut_codes: NDArray[np.uint8]
    gamut: NDArray[np.uint32]
    ink_codes: NDArray[np.uint8]
    nearest: NDArray[np.uint8]
    nearest_grey: NDArray[np.uint8]
    grey_only: bool
    greys: tuple[int, ...]
    black: int
    white: int


@lru_cache(maxsize=32)
def ink_tables(inks: Inks) -> InkTables:
    """Return the tables of a set of inks, which take a few tens of milliseconds and are cached.

    Raises:
        ValueError: There are fewer than 2 or more than 16 inks, two are equal, or none is clearly lighter than another.
    """
    _check(inks)
    light = np.array([[int(LIGHT[level]) for level in ink] for ink in inks], np.int64)
    luminances = [_luminance(ink) for ink in light.tolist()]
    greys = _grey_inks(light.tolist(), luminances)
    black, white = luminances[greys[0]], luminances[greys[-1]]
    if white - black < _MIN_CONTRAST:
        raise ValueError("the inks are equally light; a picture needs a dark ink and a light one")
    axis = _axis(light[greys[0]].tolist(), light[greys[-1]].tolist(), black, white)
    coloured = [number for number in range(len(inks)) if number not in greys]
    few = np.zeros((2 if len(coloured) in (1, 2) else 0, 4), np.int64)
    for row, number in enumerate(coloured[: len(few)]):
        above = luminances[number] - black
        few[row] = (*(light[number] - axis[0, :3] - (above * axis[1, :3] >> LIGHT_BITS)), luminances[number])
    gamut = np.zeros(_GAMUT_STEPS**3, np.uint32)
    if coloured:
        fill_gamut(axis, half_spaces(light.tolist()), few, 0, gamut)
        gamut = _smoothed(gamut)
    nearest = np.zeros(_INK_STEPS**3, np.uint8)
    brightest = int(light.max())
    if coloured:
        fill_nearest(light, brightest, 0, nearest)
    return InkTables(
        inks=light,
        axis=axis,
        coloured=few,
        gamut_codes=_gamut_codes(),
        gamut=gamut,
        ink_codes=_ink_codes(brightest),
        nearest=nearest,
        nearest_grey=_nearest_grey(light, greys),
        grey_only=not coloured,
        greys=tuple(greys),
        black=black,
        white=white,
    )


def _check(inks: Inks) -> None:
    if not MIN_INKS <= len(inks) <= MAX_INKS:
        raise ValueError(f"a panel has {MIN_INKS} to {MAX_INKS} inks, not {len(inks)}")
    if len(set(inks)) < len(inks):
        raise ValueError("two inks are equal; give each ink once")
    if any(len(ink) != 3 or not all(0 <= level <= 255 for level in ink) for ink in inks):
        raise ValueError("an ink has three components from 0 to 255")


def _luminance(ink: list[int]) -> int:
    return (RED_WEIGHT * ink[0] + GREEN_WEIGHT * ink[1] + BLUE_WEIGHT * ink[2]) >> LIGHT_BITS


def _grey_inks(light: list[list[int]], luminances: list[int]) -> list[int]:
    """Return the numbers of the grey inks by luminance.

    If there is no dark and light grey ink, the darkest and the lightest ink are returned.
    """
    order = sorted(range(len(light)), key=lambda number: (luminances[number], number))
    labs = [oklab_of(*(np.int64(component) for component in ink)) for ink in light]
    greys = [number for number in order if int(labs[number][1]) ** 2 + int(labs[number][2]) ** 2 < _GREY_CHROMA**2]
    if len(greys) < 2 or luminances[greys[-1]] - luminances[greys[0]] < _MIN_CONTRAST:
        return [order[0], order[-1]]
    return greys


def _axis(darkest: list[int], lightest: list[int], black: int, white: int) -> NDArray[np.int64]:
    axis = np.zeros((3, 4), np.int64)
    axis[0] = (*darkest, black)
    for channel in range(3):
        axis[1, channel] = ((lightest[channel] - darkest[channel]) << LIGHT_BITS) // (white - black)
    by_green = max(int(axis[1, 1]), 1)
    axis[2] = (*((int(axis[1, channel]) << LIGHT_BITS) // by_green for channel in range(3)), white)
    return axis


def _cross(one: list[int], other: list[int]) -> list[int]:
    return [
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    ]


def half_spaces(points: list[list[int]]) -> NDArray[np.int64]:
    """Return the faces of the convex hull as (normal, offset): a point p is inside if normal . p <= offset for all."""
    faces = set()
    for first, second, third in combinations(points, 3):
        normal = _cross(
            [b - a for a, b in zip(first, second, strict=True)], [b - a for a, b in zip(first, third, strict=True)]
        )
        divisor = gcd(*normal)
        if divisor == 0:
            continue
        normal = [part // divisor for part in normal]
        offset = sum(n * p for n, p in zip(normal, first, strict=True))
        sides = [sum(n * p for n, p in zip(normal, point, strict=True)) - offset for point in points]
        if max(sides) <= 0:
            faces.add((*normal, offset))
        elif min(sides) >= 0:
            faces.add((*(-part for part in normal), -offset))
    return np.array(sorted(faces), np.int64).reshape(-1, 4)


def _smoothed(gamut: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Average the three numbers of each entry over neighbouring entries with the weights 1, 2, 1 along each channel."""
    cube = gamut.reshape(_GAMUT_STEPS, _GAMUT_STEPS, _GAMUT_STEPS).astype(np.int64)
    parts = []
    for part in (cube >> 16, cube >> 8 & 255, cube & 255):
        for channel in range(3):
            padded = np.pad(part, [(1, 1) if axis == channel else (0, 0) for axis in range(3)], mode="edge")
            before, middle, after = (
                np.take(padded, np.arange(_GAMUT_STEPS) + shift, axis=channel) for shift in range(3)
            )
            part = before + 2 * middle + after
        parts.append((part + 32) >> 6)
    return np.asarray((parts[0] << 16 | parts[1] << 8 | parts[2]).reshape(-1), np.uint32)


def _middles() -> NDArray[np.int64]:
    """Return a light in the middle of each entry of a table of codes."""
    middles = (np.arange((LIGHT_UNIT >> CODE_SHIFT) + 1) << CODE_SHIFT) + (1 << CODE_SHIFT >> 1)
    return np.asarray(np.minimum(middles, LIGHT_UNIT), np.int64)


def _gamut_codes() -> NDArray[np.uint8]:
    finest = GAMUT_BITS + THRESHOLD_BITS
    fine = (ROOT[_middles()].astype(np.int64) >> (ROOT_BITS - finest)) - (1 << THRESHOLD_BITS >> 1)
    return np.asarray(np.clip(fine, 0, (1 << finest) - (1 << THRESHOLD_BITS)), np.uint8)


def _with_margin(limit: int) -> NDArray[np.int64]:
    """Return the light, between 0 and `limit`, of each entry of a table whose index begins below black."""
    entries = (LIGHT_UNIT + 2 * MARGIN >> CODE_SHIFT) + 1
    light = (np.arange(entries) << CODE_SHIFT) + (1 << CODE_SHIFT >> 1) - MARGIN
    return np.asarray(np.clip(light, 0, limit), np.int64)


def _ink_codes(brightest: int) -> NDArray[np.uint8]:
    roots = ROOT[_with_margin(brightest)].astype(np.int64)
    return np.asarray(roots * _INK_STEPS // (int(ROOT[brightest]) + 1), np.uint8)


def _nearest_grey(light: NDArray[np.int64], greys: list[int]) -> NDArray[np.uint8]:
    roots = ROOT[_with_margin(LIGHT_UNIT)].astype(np.int64)
    distances = np.abs(roots[:, None] - ROOT[light[greys, 1]].astype(np.int64)[None, :])
    return np.asarray(np.array(greys)[distances.argmin(1)], np.uint8)
