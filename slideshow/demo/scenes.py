"""Twelve scenes. Each function paints one on an empty canvas."""

from __future__ import annotations

import numpy as np

from slideshow.demo.canvas import Canvas, Colour, cover, gradient, shaded, soft

FULL_TURN = 2 * np.pi


def sky(c: Canvas) -> None:
    """Paint clouds over distant hills."""
    c.pixels[:] = gradient(c.y, (38, 92, 168), (98, 158, 214), (196, 220, 236))
    clouds = c.noise(4, 5, 8, 0.55)
    lit = (clouds - np.roll(clouds, (c.height // 60, c.width // 80), (0, 1))) * 4 + 0.72
    c.cover(gradient(lit, (128, 140, 160), (214, 218, 226), (255, 252, 246)), soft(0.47, 0.72, clouds))
    grass = c.noise(18, 12, 6, 0.7)
    for line, tint in ((0.75, (96, 128, 150)), (0.81, (72, 112, 92)), (0.87, (58, 96, 44))):
        c.fill_below(line + 0.06 * c.ridge(3), shaded(tint, 0.6 + 0.8 * grass))


def leaves(c: Canvas) -> None:
    """Paint a hedge: leaf over leaf, from dark to bright."""
    c.pixels[:] = gradient(c.noise(10, 14, 5), (8, 18, 8), (24, 44, 16))
    for depth in np.linspace(0, 1, 900).tolist():
        radius, angle, bend = c.random.uniform((0.05, 0, -0.25), (0.11, FULL_TURN, 0.25)).tolist()
        pixels, along, across = c.patch(c.random.random(), c.random.random(), radius, angle)
        width = 0.42 * (1 - along**2).clip(0) ** 0.8 * (1 - 0.25 * along)
        across = across + bend * (1 - along**2)
        veins = 0.16 * soft(0.8, 1, np.cos((along - 1.1 * np.abs(across)) * 34)) + 0.35 * soft(0.035, 0, np.abs(across))
        tint = c.random.uniform((40, 92, 22), (110, 152, 52)) * (0.35 + 0.85 * depth)
        cover(pixels, shaded(tint, 0.8 + 0.7 * across + veins), soft(0, 0.03, width - np.abs(across)))


def portrait(c: Canvas) -> None:
    """Paint a person in front of blurred lights."""
    c.pixels[:] = gradient(c.noise(2, 2, 3), (40, 52, 46), (92, 104, 70), (150, 132, 84))
    for _ in range(60):
        pixels, y, x = c.patch(c.random.random(), c.random.random(), c.random.uniform(0.03, 0.08))
        cover(pixels, c.random.uniform((190, 150, 90), (250, 210, 150)), 0.35 * soft(1, 0.95, np.hypot(y, x)))
    c.blur(0.012)
    fibre, pores = c.noise(160, 30, 3, 0.8), c.noise(60, 60, 4, 0.8)
    hair = np.hypot((c.y - 0.40) / 0.25, c.sides / 0.2) + 0.08 * fibre
    c.cover(gradient(fibre, (26, 16, 10), (92, 60, 36)), soft(1.05, 0.97, hair))
    shoulders = (np.abs(c.sides) / 0.36) ** 2.4 + ((0.70 - c.y) / 0.06 + 0.9).clip(0)
    c.cover(gradient(c.noise(90, 90, 3, 0.9), (30, 44, 84), (64, 86, 140)), soft(1.9, 1.8, shoulders))
    skin = shaded((222, 172, 142), 0.86 + 0.14 * pores + 0.5 * (0.1 - np.abs(c.sides + 0.04)))
    neck = np.maximum(np.abs(c.sides) / 0.072, np.abs(c.y - 0.62) / 0.12)
    c.cover(skin * 0.8, soft(1.04, 0.96, neck))
    nose, lips = (186, 138, 112), (176, 84, 82)
    features: list[tuple[Colour, float, float, float, float]] = [
        (skin, 0.43, 0.0, 0.185, 0.128),
        (nose, 0.478, 0.0, 0.016, 0.016),
        (lips, 0.524, 0.0, 0.011, 0.044),
    ]
    for side in (-0.052, 0.052):
        features += [((238, 234, 228), 0.415, side, 0.012, 0.026), ((74, 96, 70), 0.415, side, 0.012, 0.012)]
        features += [((12, 10, 10), 0.415, side, 0.006, 0.006), ((58, 38, 26), 0.381, side, 0.005, 0.034)]
    for colour, down, right, height, width in features:
        c.cover(colour, soft(1.05, 0.93, np.hypot((c.y - down) / height, (c.sides - right) / width)))


def night(c: Canvas) -> None:
    """Paint a skyline with lit windows, stars and a moon, reflected in water."""
    c.pixels[:] = gradient(c.y, (6, 8, 22), (14, 20, 46), (44, 38, 66))
    chance = c.random.random((c.height, c.width), dtype=np.float32)
    c.cover((235, 238, 255), (chance > 0.9994) * soft(0.9994, 1, chance))
    moon = np.hypot(c.y - 0.16, c.sides - 0.39)
    c.cover((110, 116, 140), 0.5 * soft(0.25, 0.03, moon))
    c.cover(gradient(c.noise(30, 30, 4), (170, 168, 156), (250, 246, 226)), soft(0.046, 0.044, moon))
    step_y, step_x = max(2, c.height // 90), max(2, c.width // 150)
    for left in range(0, c.width, 6 * step_x):
        top = int(c.height * c.random.uniform(0.23, 0.55))
        tower = c.pixels[top : int(c.height * 0.66), left : left + 6 * step_x - int(c.random.integers(3))]
        tower[:] = shaded((16, 17, 24), c.random.uniform(0.7, 1.6, (1, 1)))
        rows, columns = tower.shape[0] // step_y, tower.shape[1] // step_x
        light = c.random.uniform(0.35, 1, (rows, columns)) * (c.random.random((rows, columns)) < 0.42)
        warm = (255, 205, 120) if c.random.random() < 0.75 else (190, 220, 255)
        for down in range(step_y // 2, step_y):
            for right in range(step_x // 2, step_x):
                window = tower[down::step_y, right::step_x][:rows, :columns]
                window[:] = np.maximum(window, shaded(warm, light))
    c.reflect(0.66, 1.0, c.noise(150, 6, 4, 0.7), (4, 6, 14))


def mist(c: Canvas) -> None:
    """Paint ridges in fog. The photo is saved without colours."""
    c.pixels[:] = gradient(0.75 + 0.25 * c.noise(3, 2, 7, 0.55) - 0.15 * c.y, (60, 60, 60), (236, 236, 236))
    wood = c.noise(60, 100, 4, 0.8)
    for depth in np.linspace(0, 1, 6).tolist():
        tops = c.ridge(2 + 4 * depth, 8) * (0.3 - 0.12 * depth) + c.ridge(160, 3, 0.6) * 0.05 * depth**2
        line = 0.34 + 0.54 * depth - tops
        tone = 198 - 170 * depth + 60 * (wood - 0.5) + 150 * (c.y - line).clip(0, 0.3)
        c.fill_below(line, shaded((1, 1, 1), tone.clip(8, 240)))


def sunset(c: Canvas) -> None:
    """Paint the sun over the sea, and its reflection on the waves."""
    sea = 0.58
    c.pixels[:] = gradient(c.y / sea, (44, 42, 92), (164, 82, 110), (244, 134, 72), (255, 206, 110))
    clouds = gradient(c.y / sea, (58, 44, 84), (146, 62, 84), (250, 112, 60))
    c.cover(clouds, 0.85 * soft(0.5, 0.75, c.noise(14, 3, 7, 0.55)))
    sun = np.hypot(c.y - 0.47, c.sides - 0.1)
    c.cover((255, 214, 130), 0.75 * soft(0.3, 0.02, sun))
    c.cover((255, 250, 220), soft(0.05, 0.047, sun))
    near = ((c.y - sea) / (1 - sea)).clip(0, 1)
    far_waves = c.noise(300, 160, 1)[(near[:, 0] ** 0.45 * (c.height - 1)).astype(int)]
    waves = 0.6 * far_waves + 0.4 * c.noise(220, 60, 3, 0.8)
    c.fill_below(sea, gradient(0.9 * waves - 0.25 * near + 0.15, (22, 24, 58), (102, 62, 96), (226, 140, 104)))
    path = np.exp(-(((c.sides - 0.1) / (0.05 + 0.2 * near)) ** 2))
    c.cover((255, 224, 150), soft(0.56, 0.72, waves) * path * soft(0, 0.003, c.y - sea))


def dunes(c: Canvas) -> None:
    """Paint sand with ripples in evening light."""
    c.pixels[:] = gradient(c.y * 2, (70, 120, 180), (170, 196, 214), (238, 212, 180))
    grains = c.noise(200, 260, 2, 0.9)
    for place in (0.38, 0.5, 0.62, 0.78):
        line = place - 0.2 * c.ridge(2, 2, 0.3)
        bent = c.noise(3, 4, 4)
        ripples = np.sin((c.y * 190 + c.x * 24 + 34 * bent) * (1.4 - place)) * (0.1 + 0.12 * place)
        shadow = soft(0.02, 0.16, c.y - line) * soft(0.35, 0.6, bent + 0.3 * c.x)
        tone = 0.82 - 0.55 * shadow + ripples * (1 - 0.6 * shadow) + 0.22 * (grains - 0.5)
        c.fill_below(line, gradient(tone, (84, 44, 34), (206, 128, 72), (255, 214, 150)))


def lake(c: Canvas) -> None:
    """Paint snowy mountains and their reflection."""
    c.pixels[:] = gradient(c.y / 0.6, (56, 112, 186), (150, 196, 232))
    rock = c.noise(18, 18, 8, 0.65)
    slope = (rock - np.roll(rock, c.width // 90, 1)) * 3.2 + 0.55
    stone = gradient(slope, (38, 44, 58), (112, 108, 108), (170, 160, 148))
    snow = gradient(slope, (120, 142, 184), (250, 250, 255))
    for foot, tall in ((0.48, 0.37), (0.57, 0.25)):
        line = foot - tall * c.ridge(4, 8, 0.48)
        c.fill_below(line, stone)
        if tall > 0.3:
            c.cover(snow, soft(0.24, 0.18, c.y - line + 0.24 * rock) * soft(0, 0.003, c.y - line))
    trees = gradient(c.noise(150, 160, 3, 0.9), (10, 26, 18), (52, 84, 44))
    c.fill_below(0.58 - 0.06 * c.ridge(130, 4, 0.7), trees)
    c.reflect(0.6, 1.3, c.noise(115, 5, 4, 0.75), (4, 14, 22))


def meadow(c: Canvas) -> None:
    """Paint flowers: blurred in the distance, sharp in the foreground."""
    c.pixels[:] = gradient(c.noise(6, 150, 4, 0.7), (20, 48, 14), (66, 116, 34), (142, 176, 70))
    kinds = ((226, 52, 70), (250, 206, 60), (238, 236, 244), (150, 92, 200), (244, 128, 170))
    for number, depth in enumerate(np.linspace(0, 1, 260).tolist()):
        petals, kind = int(c.random.integers(5, 13)), kinds[int(c.random.integers(len(kinds)))]
        radius, angle = 0.015 + 0.075 * depth * c.random.uniform(0.7, 1), c.random.uniform(0, FULL_TURN)
        pixels, y, x = c.patch(0.05 + 0.95 * depth**0.7, c.random.random(), radius, angle)
        far, direction = np.hypot(y, x), np.arctan2(y, x)
        tone = (0.6 + 0.45 * depth) * (0.8 + 0.2 * np.cos(direction * petals * 6) + 0.25 * (far - 0.5))
        outline = 0.45 + 0.5 * np.abs(np.cos(direction * petals / 2)) - far
        cover(pixels, shaded(kind, tone), soft(0, 0.06, outline))
        cover(pixels, shaded((220, 160, 30), 1.2 - 2 * far), soft(0.24, 0.2, far))
        if number == 73:
            c.blur(0.006)


def house(c: Canvas) -> None:
    """Paint a brick wall with windows and shutters."""
    row, v = np.divmod(c.y * 56, 1)
    column, u = np.divmod(c.x * 26 * c.width / c.height + 0.5 * (row % 2), 1)
    joint = np.minimum(np.minimum(v, 1 - v) / 2, np.minimum(u, 1 - u))
    bricks = c.random.random((64, 128), dtype=np.float32)[row.astype(int) % 64, column.astype(int) % 128]
    rough = c.noise(70, 70, 5, 0.75)
    c.pixels[:] = gradient(0.55 * bricks + 0.45 * rough, (96, 40, 30), (164, 76, 54), (206, 124, 92))
    c.cover(gradient(rough, (150, 144, 132), (204, 198, 186)), soft(0.05, 0.03, joint))
    c.cover((0, 0, 0), 0.3 * soft(0.35, 1, c.y + 0.25 * c.x + 0.3 * (rough - 0.5)))
    v, u = np.divmod(c.y * 2, 1)[1] / 0.72 - 0.15, np.divmod(c.x * 3, 1)[1] * 2 - 0.5
    inside = soft(0, 0.01, np.minimum(v, 1 - v)) * soft(-0.5, -0.48, np.minimum(u, 1 - u))
    c.cover(shaded((52, 104, 92), (0.65 + 0.35 * (v * 26 % 1)) * (0.75 + 0.4 * rough)), inside)
    c.cover((240, 236, 226), inside * soft(0, 0.02, np.minimum(u, 1 - u)))
    edge = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v) * 2)
    panes = np.minimum(edge - 0.06, np.minimum(np.abs(u - 0.5), np.abs(v - 0.45) * 2) - 0.03)
    glass = gradient(0.7 - v + 0.5 * rough, (22, 30, 42), (120, 156, 186), (206, 222, 232))
    c.cover(glass, soft(0, 0.01, panes))


def autumn(c: Canvas) -> None:
    """Paint trunks, golden leaves and a forest floor."""
    c.pixels[:] = gradient(0.9 - 0.5 * c.y + 0.3 * c.noise(3, 4, 4), (92, 74, 40), (222, 186, 104), (250, 240, 206))
    bark = c.noise(7, 190, 4, 0.75)
    for depth in np.linspace(0, 1, 26).tolist():
        middle, half, lean = c.random.uniform((0, 0.6, -0.05), (1, 1.3, 0.05)).tolist()
        across = (c.x - middle - (c.y - 1) * lean) / (0.004 + 0.02 * depth * half)
        tone = (1.1 - 0.75 * depth) * (0.45 + 0.6 * bark) * (1 - 0.35 * across.clip(-1, 1))
        c.cover(shaded((120, 96, 76), tone), soft(1, 0.9, np.abs(across)) * soft(0.78, 0.76, c.y - 0.2 * depth))
    ground, crown, leaf = c.noise(90, 70, 4, 0.8), c.noise(7, 9, 8, 0.7), c.noise(110, 150, 3, 0.9)
    c.cover(gradient(ground, (60, 30, 14), (176, 88, 28), (236, 160, 62)), soft(0.72, 0.86, c.y + 0.05 * ground))
    gold = gradient(0.5 * leaf + 0.5 * crown, (122, 44, 12), (222, 120, 24), (252, 206, 80))
    c.cover(gold, soft(0.5, 0.6, crown + 0.4 * (leaf - 0.5) + 0.42 * (0.4 - c.y)))


def fruit(c: Canvas) -> None:
    """Paint oranges, apples, plums and limes on a wooden table."""
    fibre = c.noise(26, 3, 7, 0.7)
    rings = np.sin((c.y * 46 + 22 * fibre) * 3.1) * 0.16
    c.pixels[:] = gradient(0.55 * fibre + 0.3 + rings, (72, 40, 22), (148, 92, 52), (204, 150, 98))
    kinds = ((240, 140, 30), (206, 40, 40), (110, 44, 110), (150, 186, 52), (244, 206, 70))
    for place in sorted(c.random.random(30).tolist()):
        right, radius, shine = c.random.uniform((0.08, 0.075, 0.2), (0.92, 0.125, 0.8)).tolist()
        down, kind = 0.2 + 0.7 * place, kinds[int(c.random.integers(len(kinds)))]
        pixels, y, x = c.patch(down + radius * 0.45, right + radius * 0.3, radius * 1.5)
        cover(pixels, (14, 8, 6), 0.75 * soft(1, 0.25, np.hypot(y * 1.5, x)))
        pixels, y, x = c.patch(down, right, radius)
        z = np.sqrt((1 - y * y - x * x).clip(0))
        gloss = 255 * shine * (-0.42 * y - 0.3 * x + 0.86 * z).clip(0, 1) ** 60
        ball = shaded(kind, 0.22 + 0.85 * (-0.55 * y - 0.4 * x + 0.73 * z).clip(0)) + gloss[..., None]
        cover(pixels, ball, soft(1, 0.985, y * y + x * x))
    c.pixels *= (0.84 + 0.32 * c.noise(70, 90, 4, 0.85))[..., None]
