"""What the sample pictures are painted with: noise like that of nature, soft edges, light on round things.

A canvas is a float32 array (height, width, 3) of sRGB values from 0 to 255. Lengths are fractions of the
canvas' shorter side, so that a scene looks the same at every size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Colour = Sequence[float]
Stamp = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(down, right), in units of the stamp's radius and from its middle, to a colour (h, w, 3) and a mask (h, w)."""

_LUT = 1024


def numbers(*values: float) -> Floats:
    return np.asarray(values, np.float32)


def grid(height: int, width: int) -> tuple[Floats, Floats]:
    """(down, right) from 0 to 1, to be broadcast: (height, 1) and (1, width)."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    return down, np.linspace(0, 1, width, dtype=np.float32)[None, :]


def soft(low: float, high: float, values: Floats) -> Floats:
    """0 below `low`, 1 above `high`, smooth between; `low` may be the higher one."""
    t: Floats = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    smooth: Floats = t * t * (3 - 2 * t)
    return smooth


def fractal(
    random: np.random.Generator,
    height: int,
    width: int,
    cells: tuple[float, float],
    octaves: int = 6,
    gain: float = 0.5,
) -> Floats:
    """Noise from 0 to 1 whose coarsest octave has `cells` (down, right) cells; each next one twice as many."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows, columns = (max(2, round(count * 2**octave)) for count in cells)
        coarse = random.random((min(rows, height), min(columns, width)), dtype=np.float32)
        total += np.float32(weight) * stretched(coarse, height, width)
        weight *= gain
    low, high = float(total.min()), float(total.max())
    return (total - np.float32(low)) / np.float32(max(high - low, 1e-6))


def stretched(values: Floats, height: int, width: int) -> Floats:
    """`values` (h, w) enlarged smoothly to (height, width)."""
    from processor.codecs.vips import pyvips

    image = pyvips.Image.new_from_array(np.ascontiguousarray(values))
    grown = image.resize(width / image.width, vscale=height / image.height, kernel="cubic")
    result: Floats = grown.crop(0, 0, width, height).numpy().reshape(height, width)
    return result


def blurred(canvas: Floats, sigma: float) -> Floats:
    """The canvas out of focus; `sigma` is a fraction of its shorter side."""
    pixels = sigma * min(canvas.shape[:2])
    if pixels < 0.3:
        return canvas
    from processor.codecs.vips import pyvips

    result: Floats = pyvips.Image.new_from_array(canvas).gaussblur(pixels, precision="approximate").numpy()
    return result.astype(np.float32, copy=False).reshape(canvas.shape)


def ridge(random: np.random.Generator, width: int, cells: float, octaves: int = 7, gain: float = 0.5) -> Floats:
    """A mountain's outline: (1, width) from 0 to 1."""
    total = np.zeros(width)
    for octave in range(octaves):
        points = random.random(max(2, round(cells * 2**octave)) + 1)
        total += gain**octave * np.interp(np.linspace(0, len(points) - 1, width), np.arange(len(points)), points)
    outline: Floats = ((total - total.min()) / max(float(np.ptp(total)), 1e-6)).astype(np.float32)
    return outline[None, :]


def colours(values: Floats, *stops: Colour) -> Floats:
    """`values` (h, w) from 0 to 1 as colours between evenly spaced `stops`: (h, w, 3)."""
    places = np.linspace(0, 1, len(stops))
    bands = [np.interp(np.linspace(0, 1, _LUT), places, [stop[band] for stop in stops]) for band in range(3)]
    table = np.stack(bands, axis=-1).astype(np.float32)
    return table[(np.clip(values, 0, 1) * (_LUT - 1)).astype(np.int16)]


def cover(canvas: Floats, colour: Floats | Colour, mask: Floats) -> None:
    """Paint `colour` over the canvas where `mask`, from 0 to 1, says."""
    canvas += (np.asarray(colour, np.float32) - canvas) * mask[..., None]


def stamp(canvas: Floats, down: float, right: float, radius: float, paint: Stamp) -> None:
    """Paint a small thing: its middle in fractions of height and width, its radius in those of the shorter side."""
    height, width = canvas.shape[:2]
    reach = radius * min(height, width)
    middle_y, middle_x = down * height, right * width
    top, bottom = max(0, int(middle_y - reach)), min(height, int(middle_y + reach) + 2)
    left, end = max(0, int(middle_x - reach)), min(width, int(middle_x + reach) + 2)
    if top >= bottom or left >= end:
        return
    y = (np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(middle_y)) / np.float32(reach)
    x = (np.arange(left, end, dtype=np.float32)[None, :] - np.float32(middle_x)) / np.float32(reach)
    colour, mask = paint(y, x)
    cover(canvas[top:bottom, left:end], colour, mask)


def turned(y: Floats, x: Floats, angle: float) -> tuple[Floats, Floats]:
    """The coordinates seen from a thing that is turned by `angle` radians."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * y - sine * x, sine * y + cosine * x


def disc(colour: Colour | Floats, opacity: float, edge: float, flat: float = 1.0) -> Stamp:
    """A round spot for `stamp`: full within the radius `edge`, gone at 1; `flat` squeezes it from above."""

    def paint(y: Floats, x: Floats) -> tuple[Floats, Floats]:
        mask = soft(1, edge, np.hypot(y * np.float32(flat), x)) * np.float32(opacity)
        return np.broadcast_to(np.asarray(colour, np.float32), (*mask.shape, 3)), mask

    return paint


def ball(y: Floats, x: Floats, colour: Colour, shine: float) -> tuple[Floats, Floats]:
    """A round thing lit from above left: colour and mask for `stamp`."""
    square = y * y + x * x
    z = np.sqrt(np.clip(1 - square, 0, 1))
    light = np.clip(-0.55 * y - 0.4 * x + 0.73 * z, 0, 1)
    gloss = np.clip(-0.42 * y - 0.3 * x + 0.86 * z, 0, 1) ** 60 * np.float32(255 * shine)
    shaded = numbers(*colour) * (0.22 + 0.85 * light)[..., None] + gloss[..., None]
    return shaded, soft(1.0, 0.985, square)
