"""Generated photos, each with its own hue, in landscape, portrait and square format."""

from __future__ import annotations

import colorsys
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZES = ((1200, 900), (900, 1200), (1600, 900), (1000, 1000))


def paint(path: Path, number: int, hue: float, size: tuple[int, int]) -> Path:
    """Paint hills under a sky, in tones around `hue` (0 to 1), and write them as JPEG."""
    chance = random.Random(number)
    width, height = size
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    for row in range(height):
        light = 0.95 - 0.45 * row / height
        draw.line([(0, row), (width, row)], fill=_rgb(hue + 0.08 * row / height, 0.45, light))
    sun, radius = (chance.uniform(0.2, 0.8) * width, chance.uniform(0.15, 0.35) * height), 0.07 * min(size)
    draw.ellipse([sun[0] - radius, sun[1] - radius, sun[0] + radius, sun[1] + radius], fill=_rgb(hue + 0.5, 0.3, 1.0))
    for layer in range(4):
        base = height * (0.5 + 0.12 * layer)
        points = [(0.0, float(height))]
        points += [(width * step / 8, base + chance.uniform(-0.1, 0.1) * height) for step in range(9)]
        points.append((float(width), float(height)))
        draw.polygon(points, fill=_rgb(hue + 0.06 * layer, 0.75, 0.62 - 0.13 * layer))
    picture.filter(ImageFilter.GaussianBlur(1.2)).save(path, "JPEG", quality=88)
    return path


def paint_all(folder: Path, number: int) -> list[Path]:
    """Paint `number` photos in `folder`, with hues all around the colour circle."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        paint(folder / f"painted-{index:02}.jpg", index, index / number, SIZES[index % len(SIZES)])
        for index in range(number)
    ]


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
