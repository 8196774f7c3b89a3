"""The scenes of near things: a meadow, a house front, a wood in autumn, fruit on a table."""

from __future__ import annotations

from functools import partial

import numpy as np

from slideshow.sample_canvas import (
    Floats,
    ball,
    blurred,
    colours,
    cover,
    disc,
    fractal,
    grid,
    numbers,
    soft,
    stamp,
    turned,
)

Random = np.random.Generator


def meadow(random: Random, height: int, width: int) -> Floats:
    """Flowers, blurred far away and sharp near by."""
    blades = fractal(random, height, width, (6, 150), 4, 0.7)
    canvas = colours(blades, (20, 48, 14), (66, 116, 34), (142, 176, 70))
    petals = ((226, 52, 70), (250, 206, 60), (238, 236, 244), (150, 92, 200), (244, 128, 170))
    for depth in np.linspace(0, 1, 260):
        count, angle = int(random.integers(5, 13)), random.uniform(0, 6.283)
        tint = numbers(*petals[int(random.integers(len(petals)))]) * np.float32(0.6 + 0.45 * depth)

        def flower(
            y: Floats, x: Floats, count: int = count, angle: float = angle, tint: Floats = tint
        ) -> tuple[Floats, Floats]:
            far, turn = np.hypot(y, x), np.arctan2(y, x) + np.float32(angle)
            lobe = np.abs(np.cos(turn * np.float32(count / 2)))
            streaks = 0.8 + 0.2 * np.cos(turn * np.float32(count * 6)) + 0.25 * (far - 0.5)
            colour = tint * streaks[..., None]
            heart = soft(0.24, 0.2, far)
            colour = (
                colour
                + (numbers(220, 160, 30) * (0.7 + 0.5 * soft(0.2, 0, far))[..., None] - colour) * heart[..., None]
            )
            return colour, soft(0, 0.06, 0.45 + 0.5 * lobe - far)

        stamp(canvas, 0.05 + 0.95 * depth**0.7, random.random(), 0.015 + 0.075 * depth * random.uniform(0.7, 1), flower)
        if 0.28 < depth < 0.284:
            canvas = blurred(canvas, 0.006)
    return canvas


def house(random: Random, height: int, width: int) -> Floats:
    """A brick wall with windows and shutters."""
    y, x = grid(height, width)
    courses = y * 56
    row = np.floor(courses)
    bricks = x * np.float32(26 * width / height) + 0.5 * (row % 2)
    column = np.floor(bricks)
    gap = np.minimum(
        np.minimum(courses - row, 1 - courses + row) * 0.5, np.minimum(bricks - column, 1 - bricks + column)
    )
    chance = random.random((64, 128), dtype=np.float32)
    each = chance[row.astype(int) % 64, column.astype(int) % 128]
    rough = fractal(random, height, width, (70, 70), 5, 0.75)
    canvas = colours(0.55 * each + 0.45 * rough, (96, 40, 30), (164, 76, 54), (206, 124, 92))
    cover(canvas, colours(rough, (150, 144, 132), (204, 198, 186)), soft(0.05, 0.03, gap))
    cover(canvas, (0, 0, 0), 0.3 * soft(0.35, 1, y + 0.25 * x + 0.3 * (rough - 0.5)))
    for place_y in (0.06, 0.53):
        for place_x in (0.12, 0.45, 0.78):
            rows = slice(int((place_y - 0.02) * height), int((place_y + 0.36) * height))
            columns = slice(max(0, int((place_x - 0.16) * width)), int((place_x + 0.21) * width))
            wall, worn = canvas[rows, columns], rough[rows, columns]
            v, u = (y[rows] - np.float32(place_y)) / 0.34, (x[:, columns] - np.float32(place_x - 0.06)) / 0.17
            inside = (soft(0, 0.012, v) * soft(1, 0.988, v)) * (soft(0, 0.02, u) * soft(1, 0.98, u))
            bars = np.minimum(np.abs(u - 0.5), np.abs(v - 0.45) * 2)
            frame = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v) * 2)
            glass = colours(0.7 - v + 0.5 * worn, (22, 30, 42), (120, 156, 186), (206, 222, 232))
            cover(glass, (240, 236, 226), np.maximum(soft(0.035, 0.03, bars), soft(0.07, 0.06, frame)))
            cover(wall, glass, inside)
            for shift in (-0.53, 1.01):
                w = (u - np.float32(shift)) / 0.5
                board = (soft(0, 0.02, w) * soft(1, 0.98, w)) * (soft(0, 0.012, v) * soft(1, 0.988, v))
                slats = 0.65 + 0.35 * ((v * 26) % 1)
                cover(wall, numbers(52, 104, 92) * (slats * (0.75 + 0.4 * worn))[..., None], board)
    return canvas


def autumn(random: Random, height: int, width: int) -> Floats:
    """Trunks, a golden crown and fallen leaves."""
    y, x = grid(height, width)
    canvas = colours(
        0.9 - 0.5 * y + 0.3 * fractal(random, height, width, (3, 4), 4), (92, 74, 40), (222, 186, 104), (250, 240, 206)
    )
    bark = fractal(random, height, width, (7, 190), 4, 0.75)
    for depth in np.linspace(0, 1, 26):
        middle, half = random.random(), 0.004 + 0.02 * depth * random.uniform(0.6, 1.3)
        foot = 0.78 + 0.2 * depth
        strip = slice(int(max(0, middle - half - 0.055) * width), int((middle + half + 0.055) * width) + 1)
        lean = (y - 1) * np.float32(random.uniform(-0.05, 0.05))
        across = (x[:, strip] - np.float32(middle) - lean) / np.float32(half)
        tone = (1.1 - 0.75 * depth) * (0.45 + 0.6 * bark[:, strip]) * (1 - 0.35 * across.clip(-1, 1))
        mask = soft(1, 0.9, np.abs(across)) * soft(foot, foot - 0.02, y)
        cover(canvas[:, strip], numbers(120, 96, 76) * tone[..., None], mask)
    ground = fractal(random, height, width, (90, 70), 4, 0.8)
    cover(
        canvas,
        colours(ground, (60, 30, 14), (176, 88, 28), (236, 160, 62)),
        soft(0.72, 0.86, y + 0.05 * ground) + 0 * x,
    )
    crown = fractal(random, height, width, (7, 9), 8, 0.7)
    leaf = fractal(random, height, width, (110, 150), 3, 0.9)
    gold = colours(0.5 * leaf + 0.5 * crown, (122, 44, 12), (222, 120, 24), (252, 206, 80))
    cover(canvas, gold, soft(0.5, 0.6, crown + 0.4 * (leaf - 0.5) + 0.42 * (0.4 - y)))
    return canvas


def fruit(random: Random, height: int, width: int) -> Floats:
    """Oranges, apples, plums and limes on a wooden table."""
    y, x = grid(height, width)
    fibre = fractal(random, height, width, (26, 3), 7, 0.7)
    rings = np.sin((y * 46 + 22 * fibre) * 3.1) * 0.16
    canvas = colours(0.55 * fibre + 0.3 + rings, (72, 40, 22), (148, 92, 52), (204, 150, 98))
    canvas *= (1 - 0.5 * np.hypot(y - 0.4, x - 0.4) ** 2)[..., None]
    kinds = ((240, 140, 30), (206, 40, 40), (110, 44, 110), (150, 186, 52), (244, 206, 70))
    skins = fractal(random, height, width, (70, 90), 4, 0.85)
    for place in sorted(random.random(30)):
        right, radius = random.uniform(0.08, 0.92), random.uniform(0.075, 0.125)
        down = 0.2 + 0.7 * float(place)
        kind, shine = kinds[int(random.integers(len(kinds)))], random.uniform(0.2, 0.8)
        shadow = disc((14, 8, 6), 0.75, 0.25, flat=1.5)
        stamp(canvas, down + radius * 0.45, right + radius * 0.3, radius * 1.5, shadow)
        stamp(canvas, down, right, radius, partial(ball, colour=kind, shine=shine))
    canvas *= (0.84 + 0.32 * skins)[..., None]
    cover(canvas, (255, 246, 226), 0.16 * soft(0.9, 0.0, np.abs(turned(y - 0.1, x - 0.1, 0.6)[0])))
    return canvas
