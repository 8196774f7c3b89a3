"""Slow and obvious twin of the dithering kernel, with lists, and the picture of each panel that the tests dither."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from native.dither.diffusion import FADE_SHIFT, MARGIN, NEUTRAL_LEVELS
from native.dither.ink_tables import Inks, InkTables, ink_tables
from native.dither.oklab import LIGHT

INKS: dict[str, Inks] = {
    "spectra6": ((2, 2, 2), (179, 182, 171), (201, 184, 0), (117, 10, 0), (0, 47, 107), (33, 69, 40)),
    "acep7": ((57, 48, 57), (255, 255, 255), (58, 91, 70), (61, 59, 94), (156, 72, 75), (208, 190, 71), (177, 106, 73)),
    "bwr": ((10, 7, 14), (173, 178, 174), (85, 24, 14)),
    "bwry": ((10, 7, 14), (173, 178, 174), (172, 128, 0), (85, 24, 14)),
    "grey2": ((10, 10, 10), (175, 175, 175)),
    "grey4": ((10, 10, 10), (67, 67, 67), (122, 122, 122), (175, 175, 175)),
    "two colours": ((120, 0, 0), (240, 220, 60)),
}


def scene(height: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    """Return a picture with gradients, saturated patches, a grey ramp and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / (height, width)[0]
    picture = np.stack([255 * x / x.max(), 255 * y / y.max(), 128 + 127 * np.sin(9 * x * y)], -1)
    picture[: height // 3, : width // 2] = (255 * np.linspace(0, 1, width // 2))[None, :, None]
    picture[height // 2 :, : width // 4] = random.integers(0, 256, 3)
    picture[height // 2 :, width // 4 : width // 2] += random.normal(
        0, 40, (height - height // 2, width // 2 - width // 4, 3)
    )
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def entry_of(tables: InkTables, colour: list[int], x: int, y: int) -> int:
    """Return the entry of the gamut table, between whose neighbours a pattern of thresholds chooses."""
    threshold = (3 * x + 5 * y) % 8
    thresholds = (threshold, (3 * threshold + 1) % 8, (5 * threshold + 2) % 8)
    entry = 0
    for component, limit in zip(colour, thresholds, strict=True):
        code = int(tables.gamut_codes[min(max(component, 0), 16384) // 8])
        entry = entry * 32 + (code + limit) // 8
    return entry


def target_of(tables: InkTables, tone: NDArray[np.int32], pixel: list[int], x: int, y: int) -> tuple[list[int], bool]:
    """Return the colour that the panel shall show of a pixel, and whether the pixel is neutral."""
    light = [int(LIGHT[level]) for level in pixel]
    luminance = (3483 * light[0] + 11718 * light[1] + 1183 * light[2]) // 16384
    axis = tables.axis.tolist()
    lit = min(luminance * int(tone[0, luminance // 16]) // 4096, tables.white - tables.black)
    difference = max(pixel) - min(pixel)
    neutral = tables.grey_only or difference <= NEUTRAL_LEVELS

    def grey(lit: int) -> list[int]:
        return [axis[0][c] + lit * axis[1][c] // 16384 for c in range(3)]

    if neutral:
        return grey(lit), True
    fade = min((difference - NEUTRAL_LEVELS) * 2**FADE_SHIFT, 4096)
    gain = int(tone[1, luminance // 16])
    base = grey(lit)
    away = [(fade * (tables.black + lit - base[c]) + gain * (light[c] - luminance)) // 4096 for c in range(3)]
    packed = int(tables.gamut[entry_of(tables, [base[c] + away[c] for c in range(3)], x, y)])
    base = grey(lit * (packed // 65536 + 1) // 256)
    if len(tables.coloured):
        first, second = tables.coloured.tolist()
        away = [(packed % 256 * first[c] + packed // 256 % 256 * second[c]) // 256 for c in range(3)]
    else:
        away = [away[c] * (packed % 256 + 1) // 256 for c in range(3)]
    return [base[c] + away[c] for c in range(3)], False


def dithered(picture: NDArray[np.uint8], inks: Inks, tone: NDArray[np.int32]) -> list[list[int]]:
    """Dither pixel by pixel, with a sum of sixteenths of errors for each pixel of the picture."""
    tables = ink_tables(inks)
    height, width = picture.shape[:2]
    lights, axis = tables.inks.tolist(), tables.axis.tolist()
    low = [min(ink[c] for ink in lights) - MARGIN for c in range(3)]
    high = [max(ink[c] for ink in lights) + MARGIN for c in range(3)]
    errors = [[[0, 0, 0] for _ in range(width)] for _ in range(height)]
    numbers = [[0] * width for _ in range(height)]
    for y in range(height):
        direction = 1 if y % 2 == 0 else -1
        for x in range(width)[::direction]:
            target, neutral = target_of(tables, tone, picture[y, x].tolist(), x, y)
            value = [min(max(target[c] + errors[y][x][c] // 16, low[c]), high[c]) for c in range(3)]
            if neutral:
                above = value[1] - axis[0][1]
                value = [axis[0][0] + above * axis[2][0] // 16384, value[1], axis[0][2] + above * axis[2][2] // 16384]
                number = int(tables.nearest_grey[(value[1] + MARGIN) // 8])
            else:
                codes = [int(tables.ink_codes[(component + MARGIN) // 8]) for component in value]
                number = int(tables.nearest[(codes[0] * 32 + codes[1]) * 32 + codes[2]])
            numbers[y][x] = number
            for dx, dy, weight in ((direction, 0, 7), (-direction, 1, 3), (0, 1, 5), (direction, 1, 1)):
                if 0 <= x + dx < width and y + dy < height:
                    for c in range(3):
                        errors[y + dy][x + dx][c] += weight * (value[c] - lights[number][c])
    return numbers
