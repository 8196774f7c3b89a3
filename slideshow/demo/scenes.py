"""Twelve scenes, painted from seeded chance. Each takes a generator, a height and a width, and gives a canvas."""

from __future__ import annotations

from functools import partial

import numpy as np

from slideshow.demo.canvas import (
    Floats,
    ball,
    blurred,
    colours,
    cover,
    disc,
    fractal,
    grid,
    numbers,
    ridge,
    soft,
    stamp,
    stretched,
    turned,
)

Random = np.random.Generator


def sky(random: Random, height: int, width: int) -> Floats:
    """Fair-weather clouds over far hills."""
    y, _ = grid(height, width)
    canvas = colours(y + np.zeros((1, width), np.float32), (38, 92, 168), (98, 158, 214), (196, 220, 236))
    clouds = fractal(random, height, width, (4, 5), 8, 0.55)
    lit = np.clip((clouds - np.roll(clouds, (height // 60, width // 80), (0, 1))) * 4 + 0.72, 0, 1)
    cover(canvas, colours(lit, (128, 140, 160), (214, 218, 226), (255, 252, 246)), soft(0.47, 0.72, clouds))
    grass = fractal(random, height, width, (18, 12), 6, 0.7)
    for place, tint in ((0.78, (96, 128, 150)), (0.84, (72, 112, 92)), (0.9, (58, 96, 44))):
        line = np.float32(place) + 0.06 * (ridge(random, width, 3) - 0.5)
        cover(canvas, numbers(*tint) * (0.6 + 0.8 * grass)[..., None], soft(0, 0.003, y - line))
    return canvas


def leaves(random: Random, height: int, width: int) -> Floats:
    """A hedge, leaf over leaf, the nearer the brighter."""
    shade = fractal(random, height, width, (10, 14), 5)
    canvas = colours(shade, (8, 18, 8), (24, 44, 16))
    for depth in np.linspace(0, 1, 900):
        angle, bend = random.uniform(0, 6.283), random.uniform(-0.25, 0.25)
        tint = numbers(40 + 70 * random.random(), 92 + 60 * random.random(), 22 + 30 * random.random())
        light = np.float32(0.35 + 0.85 * depth)

        def leaf(
            y: Floats,
            x: Floats,
            angle: float = angle,
            bend: float = bend,
            tint: Floats = tint,
            light: np.float32 = light,
        ) -> tuple[Floats, Floats]:
            along, across = turned(y, x, angle)
            across = across + np.float32(bend) * (1 - along * along)
            half = 0.42 * np.clip(1 - along * along, 0, 1) ** 0.8 * (1 - 0.25 * along)
            veins = soft(0.8, 1, np.cos((along - 1.1 * np.abs(across)) * 34)) * 0.16
            rib = soft(0.035, 0.01, np.abs(across)) * 0.35
            tone = light * (0.8 + 0.7 * across + veins + rib)
            return tint * tone[..., None], soft(0, 0.03, half - np.abs(across))

        stamp(canvas, random.random(), random.random(), 0.05 + 0.06 * random.random(), leaf)
    return canvas


def portrait(random: Random, height: int, width: int) -> Floats:
    """A person before blurred lights."""
    y, x = grid(height, width)
    canvas = colours(fractal(random, height, width, (2, 2), 3), (40, 52, 46), (92, 104, 70), (150, 132, 84))
    for _ in range(60):
        tint = numbers(190 + 60 * random.random(), 150 + 60 * random.random(), 90 + 60 * random.random())
        bokeh = disc(tint, 0.35, 0.95)
        stamp(canvas, random.random(), random.random(), 0.03 + 0.05 * random.random(), bokeh)
    canvas = blurred(canvas, 0.012)
    fibre = fractal(random, height, width, (160, 30), 3, 0.8)
    pores = fractal(random, height, width, (60, 60), 4, 0.8)
    sides = (x - 0.5) * np.float32(width / height)
    hair = np.hypot((y - 0.40) / 0.25, sides / 0.2)
    cover(canvas, colours(fibre, (26, 16, 10), (92, 60, 36)), soft(1.05, 0.97, hair + 0.08 * fibre))
    coat = (np.abs(sides) / 0.36) ** 2.4 + ((0.70 - y) / 0.06 + 0.9).clip(0, 9)
    cover(
        canvas,
        colours(fractal(random, height, width, (90, 90), 3, 0.9), (30, 44, 84), (64, 86, 140)),
        soft(1.9, 1.8, coat),
    )
    skin = numbers(222, 172, 142) * (0.86 + 0.14 * pores + 0.5 * (0.1 - np.abs(sides + 0.04)))[..., None]
    cover(canvas, skin * np.float32(0.8), soft(0.075, 0.068, np.abs(sides)) * soft(0.74, 0.72, y) * soft(0.5, 0.52, y))
    cover(canvas, skin, soft(1.0, 0.97, np.hypot((y - 0.43) / 0.185, sides / 0.128)))
    for side in (-1, 1):
        eye = np.hypot((y - 0.415) / 0.012, (sides - side * 0.052) / 0.026)
        cover(canvas, (238, 234, 228), soft(1, 0.9, eye))
        pupil = np.hypot(y - 0.415, sides - side * 0.052)
        cover(canvas, (74, 96, 70), soft(0.0125, 0.011, pupil) * soft(1.05, 0.95, eye))
        cover(canvas, (12, 10, 10), soft(0.006, 0.005, pupil) * soft(1.05, 0.95, eye))
        brow = np.hypot((y - 0.384 - 5 * (sides - side * 0.052) ** 2) / 0.006, (sides - side * 0.052) / 0.036)
        cover(canvas, (58, 38, 26), 0.85 * soft(1.1, 0.8, brow))
    cover(canvas, (150, 104, 84), 0.5 * soft(1, 0.2, np.hypot((y - 0.478) / 0.02, (sides + 0.004) / 0.02)))
    smile = np.hypot((y - 0.526 + 4.5 * sides**2) / 0.0115, sides / 0.044)
    cover(canvas, (176, 84, 82), soft(1, 0.85, smile))
    return canvas


def night(random: Random, height: int, width: int) -> Floats:
    """Lit windows, their reflection in the water, stars and a moon."""
    y, x = grid(height, width)
    shore = int(height * 0.66)
    canvas = colours(y + 0 * x, (6, 8, 22), (14, 20, 46), (44, 38, 66))
    stars = np.where(random.random((height, width), dtype=np.float32) > 0.9994, np.float32(1), np.float32(0))
    cover(canvas, (235, 238, 255), stars * random.random((height, width), dtype=np.float32))
    craters = fractal(random, height, width, (30, 30), 4)
    moon = np.hypot(y - 0.16, (x - 0.76) * np.float32(width / height))
    cover(canvas, (110, 116, 140), 0.5 * soft(0.25, 0.03, moon))
    cover(canvas, colours(craters, (170, 168, 156), (250, 246, 226)), soft(0.046, 0.044, moon))
    left = 0
    while left < width:
        right = min(width, left + int(width * random.uniform(0.025, 0.07)))
        top = int(shore * random.uniform(0.35, 0.85))
        canvas[top:shore, left:right] = numbers(16, 17, 24) * np.float32(random.uniform(0.7, 1.6))
        step_y, step_x = max(2, height // 90), max(2, width // 150)
        rows, columns = (shore - top) // step_y, (right - left) // step_x
        warm = numbers(255, 205, 120) if random.random() < 0.75 else numbers(190, 220, 255)
        for row, column in np.argwhere(random.random((max(rows - 1, 0), max(columns - 1, 0))) < 0.42):
            y0, x0 = top + int(row) * step_y + step_y // 2, left + int(column) * step_x + step_x // 2
            pane = canvas[y0 : y0 + max(1, step_y // 2), x0 : x0 + max(1, step_x // 2)]
            pane[:] = warm * np.float32(random.uniform(0.35, 1.0))
        left = right + int(width * random.uniform(0, 0.008))
    canvas += blurred(np.clip(canvas - 90, 0, None), 0.008) * np.float32(0.9)
    depth = height - shore
    waves = fractal(random, depth, width, (50, 6), 4, 0.7)
    rows = np.clip(shore - 1 - np.arange(depth)[:, None] + ((waves - 0.5) * 0.09 * height).astype(int), 0, shore - 1)
    mirrored = canvas[rows, np.arange(width)[None, :]]
    canvas[shore:] = mirrored * (0.35 + 0.35 * waves)[..., None] + numbers(4, 6, 14)
    return canvas


def mist(random: Random, height: int, width: int) -> Floats:
    """Ridge behind ridge in fog; saved without colour."""
    y, _ = grid(height, width)
    fog = fractal(random, height, width, (3, 2), 7, 0.55)
    canvas = colours(0.75 + 0.25 * fog - 0.15 * y, (60, 60, 60), (236, 236, 236))
    wood = fractal(random, height, width, (60, 100), 4, 0.8)
    for place in np.linspace(0, 1, 6):
        tops = ridge(random, width, 2 + 4 * place, 8, 0.5) * (0.3 - 0.12 * place)
        pines = ridge(random, width, 160, 3, 0.6) * 0.05 * place * place
        line = 0.34 + 0.54 * place - tops - pines
        inside = soft(0, 0.002, y - line.astype(np.float32))
        tone = np.clip(198 - 170 * place + 60 * (wood - 0.5) + 150 * np.clip(y - line, 0, 0.3), 8, 240)
        cover(canvas, np.repeat(tone[..., None], 3, axis=-1), inside)
    return canvas


def sunset(random: Random, height: int, width: int) -> Floats:
    """The sun over the sea, and its path on the waves."""
    y, x = grid(height, width)
    sea, aspect = np.float32(0.58), np.float32(width / height)
    canvas = colours(y / sea + 0 * x, (44, 42, 92), (164, 82, 110), (244, 134, 72), (255, 206, 110))
    clouds = fractal(random, height, width, (14, 3), 7, 0.55)
    cover(canvas, colours(y / sea + 0 * x, (58, 44, 84), (146, 62, 84), (250, 112, 60)), 0.85 * soft(0.5, 0.75, clouds))
    sun = np.hypot(y - 0.47, (x - 0.56) * aspect)
    cover(canvas, (255, 214, 130), 0.75 * soft(0.3, 0.02, sun))
    cover(canvas, (255, 250, 220), soft(0.05, 0.047, sun))
    near = np.clip((y - sea) / (1 - sea), 0, 1)
    lines = random.random((360, 240), dtype=np.float32)
    squeezed = stretched(lines, height, width)[(near[:, 0] ** 0.45 * (height - 1)).astype(int)]
    fine = fractal(random, height, width, (220, 60), 3, 0.8)
    waves = 0.6 * squeezed + 0.4 * fine
    water = colours(0.9 * waves - 0.25 * near + 0.15, (22, 24, 58), (102, 62, 96), (226, 140, 104))
    glitter = soft(0.56, 0.72, waves) * np.exp(-(((x - 0.56) * aspect / (0.05 + 0.2 * near)) ** 2))
    cover(water, (255, 224, 150), glitter.astype(np.float32))
    cover(canvas, water, soft(0, 0.002, y - sea) + 0 * x)
    return canvas


def dunes(random: Random, height: int, width: int) -> Floats:
    """Sand in evening light, with ripples."""
    y, x = grid(height, width)
    canvas = colours(y * 2 + 0 * x, (70, 120, 180), (170, 196, 214), (238, 212, 180))
    grains = fractal(random, height, width, (200, 260), 2, 0.9)
    for place in (0.38, 0.5, 0.62, 0.78):
        line = np.float32(place) - 0.2 * ridge(random, width, 2, 2, 0.3)
        below = np.clip(y - line, 0, 1)
        bent = fractal(random, height, width, (3, 4), 4)
        ripples = np.sin((y * 190 + x * 24 + 34 * bent) * (1.4 - place)) * np.float32(0.1 + 0.12 * place)
        lee = soft(0.02, 0.16, below) * soft(0.35, 0.6, bent + 0.3 * x)
        tone = 0.82 - 0.55 * lee + ripples * (1 - 0.6 * lee) + 0.22 * (grains - 0.5)
        cover(canvas, colours(tone, (84, 44, 34), (206, 128, 72), (255, 214, 150)), soft(0, 0.002, y - line))
    return canvas


def lake(random: Random, height: int, width: int) -> Floats:
    """Snowy mountains and their mirror image."""
    shore = int(height * 0.6)
    y, _ = grid(shore, width)
    half = colours(y + np.zeros((1, width), np.float32), (56, 112, 186), (150, 196, 232))
    rock = fractal(random, shore, width, (10, 18), 8, 0.65)
    for place, tall in ((0.8, 0.62), (0.95, 0.42)):
        tops = ridge(random, width, 4, 8, 0.48)
        line = np.float32(place) - np.float32(tall) * tops
        slope = np.clip((rock - np.roll(rock, width // 90, 1)) * 3.2 + 0.55, 0, 1)
        stone = colours(slope, (38, 44, 58), (112, 108, 108), (170, 160, 148))
        cover(
            stone,
            colours(slope, (120, 142, 184), (250, 250, 255)),
            soft(0.36, 0.3, y - line + 0.4 * (rock - 0.5)) * np.float32(tall > 0.5),
        )
        cover(half, stone, soft(0, 0.003, y - line))
    trees = np.float32(0.97) - 0.1 * ridge(random, width, 130, 4, 0.7)
    needles = fractal(random, shore, width, (90, 160), 3, 0.9)
    cover(half, colours(needles, (10, 26, 18), (52, 84, 44)), soft(0, 0.003, y - trees))
    depth = height - shore
    waves = fractal(random, depth, width, (46, 5), 4, 0.75)
    rows = np.clip(shore - 1 - np.arange(depth)[:, None] * 1.3 + (waves - 0.5) * 0.05 * height, 0, shore - 1).astype(
        int
    )
    water = half[rows, np.arange(width)[None, :]] * (0.55 + 0.3 * waves)[..., None] + numbers(4, 14, 22)
    return np.concatenate([half, water]).astype(np.float32)


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
