"""Kernels that fill the tables of `ink_tables.py`, in integers. Units are those of `diffusion.py` and `oklab.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.dither.diffusion import BLUE_WEIGHT, GAMUT_BITS, GREEN_WEIGHT, INK_BITS, RED_WEIGHT
from native.dither.oklab import LIGHT_BITS, ROOT, ROOT_BITS, oklab_of
from native.jit import Integer, helper, kernel

_LOWEST_LUMINANCE, _LUMINANCE_STEP = 80, 11
"""A colour keeps at least 80/256 of its luminance; shares in steps of 11/256 are tried."""
_AMOUNT_STEP = 8
_DARK, _LIGHT = 9500, 12450
_DARK_COST, _LIGHT_COST = 38, 154
"""Cost of a squared error of lightness, in 1/256 of one of chroma, below and above these lightnesses. Saturated colours
of middle lightness become darker rather than grey; light ones, such as the glow around a sun, stay light."""
_HUE_COST = 3
"""Additional cost of a squared error of hue: without it a red car became yellow where yellow is the more vivid ink."""
_CHROMA_WEIGHT = 4
"""Weight of a squared difference of chroma in the choice of an ink: with 1, dark greys were mixed of coloured inks.
1, 2, 4 and 8 gave a 95th percentile of the error after a blur of .0165, .0161, .0159 and .0174 over twelve photos."""


@helper
def _centre(code: Integer, steps: Integer, brightest: Integer) -> Integer:
    """Return the light in the middle of a code's interval; the steps are even in the cube root."""
    share = 2 * np.int64(code) + 1
    return share * share * share * np.int64(brightest) // np.int64(8 * steps * steps * steps)


@helper
def _lightness_cost(lightness: Integer) -> Integer:
    share = min(max(np.int64(lightness) - _DARK, np.int64(0)), np.int64(_LIGHT - _DARK))
    return np.int64(_DARK_COST + (_LIGHT_COST - _DARK_COST) * share // (_LIGHT - _DARK))


@helper
def _reach(
    half_spaces: NDArray[np.int64], base: tuple[Integer, Integer, Integer], to: tuple[Integer, Integer, Integer]
) -> Integer:
    """Return how far `base` can move in the direction `to` within the half-spaces, in 1/256, at most 256."""
    reach = np.int64(256)
    for number in range(half_spaces.shape[0]):
        red, green, blue = half_spaces[number, 0], half_spaces[number, 1], half_spaces[number, 2]
        speed = red * to[0] + green * to[1] + blue * to[2]
        if speed > 0:
            room = half_spaces[number, 3] - (red * base[0] + green * base[1] + blue * base[2])
            reach = min(reach, max(room, np.int64(0)) * 256 // speed)
    return reach


@helper
def _base(axis: NDArray[np.int64], lit: Integer) -> tuple[Integer, Integer, Integer]:
    """Return the grey of this luminance above black."""
    return (
        axis[0, 0] + ((lit * axis[1, 0]) >> LIGHT_BITS),
        axis[0, 1] + ((lit * axis[1, 1]) >> LIGHT_BITS),
        axis[0, 2] + ((lit * axis[1, 2]) >> LIGHT_BITS),
    )


@helper
def _cost(wanted: tuple[Integer, Integer, Integer, Integer], red: Integer, green: Integer, blue: Integer) -> Integer:
    lightness, red_green, yellow_blue = oklab_of(red, green, blue)
    first, second, third = lightness - wanted[0], red_green - wanted[1], yellow_blue - wanted[2]
    turned = wanted[1] * yellow_blue - wanted[2] * red_green
    hue = turned * turned // (wanted[1] * wanted[1] + wanted[2] * wanted[2] + 1)
    return ((wanted[3] * first * first) >> 8) + second * second + third * third + _HUE_COST * hue


@helper
def _gains(
    axis: NDArray[np.int64],
    half_spaces: NDArray[np.int64],
    lit: Integer,
    to: tuple[Integer, Integer, Integer],
    wanted: tuple[Integer, Integer, Integer, Integer],
) -> Integer:
    best, best_share, best_chroma = np.int64(1) << 62, np.int64(256), np.int64(1)
    share = np.int64(256)
    while share >= _LOWEST_LUMINANCE:
        base = _base(axis, (lit * share) >> 8)
        # Chroma in OKLab grows with the cube root of light, so this share keeps it.
        root = np.int64(ROOT[np.uint64(share << (LIGHT_BITS - 8))]) >> (ROOT_BITS - 8)
        chroma = np.int64(min(_reach(half_spaces, base, to), (root * root) >> 8))
        cost = _cost(
            wanted,
            base[0] + ((chroma * to[0]) >> 8),
            base[1] + ((chroma * to[1]) >> 8),
            base[2] + ((chroma * to[2]) >> 8),
        )
        if cost < best:
            best, best_share, best_chroma = np.int64(cost), share, chroma
        share = np.int64(share - _LUMINANCE_STEP)
    return (best_share - 1) << 16 | max(best_chroma - 1, np.int64(0))


@helper
def _amounts(
    axis: NDArray[np.int64],
    coloured: NDArray[np.int64],
    lit: Integer,
    wanted: tuple[Integer, Integer, Integer, Integer],
) -> Integer:
    black, range_ = axis[0, 3], axis[2, 3] - axis[0, 3]
    best, best_share, best_first, best_second = np.int64(1) << 62, np.int64(256), np.int64(0), np.int64(0)
    share = np.int64(256)
    while share >= _LOWEST_LUMINANCE:
        level = (lit * share) >> 8
        base = _base(axis, level)
        alone = _cost(wanted, base[0], base[1], base[2])
        # One ink after the other is added as long as that helps, in both orders: with yellow first, red became orange.
        for order in range(2):
            first, second, last = np.int64(0), np.int64(0), np.int64(alone)
            turn = 0
            while turn < 2:
                more_first = first + (_AMOUNT_STEP if turn == order else 0)
                more_second = second + (_AMOUNT_STEP if turn != order else 0)
                # The rest of the area is black and white, and has to have the rest of the luminance.
                rest = 256 * level - more_first * (coloured[0, 3] - black) - more_second * (coloured[1, 3] - black)
                cost: Integer = np.int64(1) << 62
                if more_first + more_second <= 255 and 0 <= rest <= (256 - more_first - more_second) * range_:
                    cost = _cost(
                        wanted,
                        base[0] + ((more_first * coloured[0, 0] + more_second * coloured[1, 0]) >> 8),
                        base[1] + ((more_first * coloured[0, 1] + more_second * coloured[1, 1]) >> 8),
                        base[2] + ((more_first * coloured[0, 2] + more_second * coloured[1, 2]) >> 8),
                    )
                if cost < last:
                    first, second, last = np.int64(more_first), np.int64(more_second), np.int64(cost)
                else:
                    turn += 1
            if last < best:
                best, best_share, best_first, best_second = last, share, first, second
        share = np.int64(share - 2 * _LUMINANCE_STEP)
    return (best_share - 1) << 16 | best_second << 8 | best_first


@kernel(
    "void(Array(int64, 2, 'C', readonly=True), Array(int64, 2, 'C', readonly=True), "
    "Array(int64, 2, 'C', readonly=True), int64, uint32[::1])"
)
def fill_gamut(
    axis: NDArray[np.int64],
    half_spaces: NDArray[np.int64],
    coloured: NDArray[np.int64],
    begin: Integer,
    gamut: NDArray[np.uint32],
) -> None:
    """Write, for each colour, what brings it into the range of the inks.

    With many coloured inks, a colour moves along the line to a grey, whose luminance is chosen. With one or two, hardly
    any line ends in the range, so the amounts of these inks are searched: a bright red, which is not exactly the hue of
    the ink, would become grey.

    Args:
        axis: As in `diffuse_into`.
        half_spaces: (normal, offset) of the inks' convex hull, shape (n, 4); not used for one or two coloured inks.
        coloured: Offsets of one or two coloured inks from the axis, and their luminance, shape (2, 4), a missing one is
            all zeros. Shape (0, 4) for more inks.
        begin: Entry of the table that is the first of `gamut`.
        gamut: Receives numbers of 8 bits: the gain of luminance less 1 in 1/256 (from bit 16), and in the lower bytes
            either the gain of chroma less 1, or the amounts of the second and the first coloured ink.
    """
    steps = 1 << GAMUT_BITS
    black, white = axis[0, 3], axis[2, 3]
    for index in range(gamut.size):
        entry = begin + index
        red = _centre(entry >> (2 * GAMUT_BITS), steps, 1 << LIGHT_BITS)
        green = _centre((entry >> GAMUT_BITS) & (steps - 1), steps, 1 << LIGHT_BITS)
        blue = _centre(entry & (steps - 1), steps, 1 << LIGHT_BITS)
        luminance = (RED_WEIGHT * red + GREEN_WEIGHT * green + BLUE_WEIGHT * blue) >> LIGHT_BITS
        lit = min(max(luminance, black), white) - black
        base_red, base_green, base_blue = _base(axis, lit)
        to_red, to_green, to_blue = red - base_red, green - base_green, blue - base_blue
        lightness, red_green, yellow_blue = oklab_of(red, green, blue)
        wanted = lightness, red_green, yellow_blue, _lightness_cost(lightness)
        if coloured.shape[0] > 0:
            gamut[index] = _amounts(axis, coloured, lit, wanted)
        elif _reach(half_spaces, (base_red, base_green, base_blue), (to_red, to_green, to_blue)) >= 256:
            gamut[index] = 0xFF00FF
        else:
            gamut[index] = _gains(axis, half_spaces, lit, (to_red, to_green, to_blue), wanted)


@kernel("void(Array(int64, 2, 'C', readonly=True), int64, int64, uint8[::1])")
def fill_nearest(inks: NDArray[np.int64], brightest: Integer, begin: Integer, nearest: NDArray[np.uint8]) -> None:
    """Write the nearest ink of each colour in OKLab, on ties the first.

    Args:
        inks: Light of each ink, shape (n, 3).
        brightest: The light of the last step of each channel.
        begin: Entry of the table that is the first of `nearest`.
        nearest: Receives the numbers of the inks.
    """
    steps = 1 << INK_BITS
    labs = np.empty((inks.shape[0], 3), np.int64)
    for number in range(inks.shape[0]):
        labs[number, 0], labs[number, 1], labs[number, 2] = oklab_of(inks[number, 0], inks[number, 1], inks[number, 2])
    for index in range(nearest.size):
        entry = begin + index
        lightness, red_green, yellow_blue = oklab_of(
            _centre(entry >> (2 * INK_BITS), steps, brightest),
            _centre((entry >> INK_BITS) & (steps - 1), steps, brightest),
            _centre(entry & (steps - 1), steps, brightest),
        )
        best = np.int64(1) << 62
        for number in range(inks.shape[0]):
            first, second, third = (
                lightness - labs[number, 0],
                red_green - labs[number, 1],
                yellow_blue - labs[number, 2],
            )
            distance = first * first + _CHROMA_WEIGHT * (second * second + third * third)
            if distance < best:
                best = distance
                nearest[index] = number
