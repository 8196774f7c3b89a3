"""Building blocks of the sample photos: noise, gradients, soft masks, patches and reflections.

Colours are sRGB values from 0 to 255 in float32 arrays (height, width, 3). Positions are fractions of height and width,
lengths are fractions of the shorter side, so that a scene looks the same at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Colour = Floats | Sequence[float]


class Canvas:
    """A picture that is being painted with seeded random numbers. `y` and `x` are 0 to 1 and broadcast to its size."""

    def __init__(self, random: np.random.Generator, height: int, width: int) -> None:
        self.random = random
        self.height, self.width = height, width
        self.pixels: Floats = np.zeros((height, width, 3), np.float32)
        self.y: Floats = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        self.x: Floats = np.linspace(0, 1, width, dtype=np.float32)[None, :]
        self.sides = (self.x - 0.5) * (width / height)
        """Horizontal distance from the middle, in fractions of the height."""

    def noise(self, down: float, across: float, octaves: int = 6, gain: float = 0.5) -> Floats:
        """Return fractal noise, 0 to 1. The first octave has `down` x `across` cells, each next one twice as many."""
        total: Floats = np.zeros((self.height, self.width), np.float32)
        for octave in range(octaves):
            rows, columns = (max(2, round(cells * 2**octave)) for cells in (down, across))
            coarse = self.random.random((min(rows, self.height), min(columns, self.width)), dtype=np.float32)
            total += gain**octave * _enlarged(coarse, self.height, self.width)
        return _normalized(total)

    def ridge(self, cells: float, octaves: int = 7, gain: float = 0.5) -> Floats:
        """Return the outline of mountains: (1, width), from 0 to 1."""
        total: Floats = np.zeros(self.width)
        for octave in range(octaves):
            points = self.random.random(max(2, round(cells * 2**octave)) + 1)
            total += gain**octave * np.interp(self.x[0], np.linspace(0, 1, len(points)), points)
        return _normalized(total.astype(np.float32))[None, :]

    def cover(self, colour: Colour, mask: Floats) -> None:
        """Paint `colour` with the opacity `mask`, 0 to 1."""
        cover(self.pixels, colour, mask)

    def fill_below(self, line: Floats | float, colour: Colour) -> None:
        """Paint everything below `line`, the vertical position for each column."""
        self.cover(colour, soft(0, 0.003, self.y - line))

    def patch(self, down: float, right: float, radius: float, angle: float = 0.0) -> tuple[Floats, Floats, Floats]:
        """Return (pixels, y, x) of a square part: the pixels are a view, y and x are -1 to 1, rotated by `angle`."""
        reach = radius * min(self.height, self.width)
        middle_y, middle_x = down * self.height, right * self.width
        rows = np.arange(max(0, int(middle_y - reach)), min(self.height, int(middle_y + reach) + 2))
        columns = np.arange(max(0, int(middle_x - reach)), min(self.width, int(middle_x + reach) + 2))
        y = ((rows - middle_y) / reach).astype(np.float32)[:, None]
        x = ((columns - middle_x) / reach).astype(np.float32)[None, :]
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        pixels = self.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return pixels, cosine * y - sine * x, sine * y + cosine * x

    def blur(self, sigma: float) -> None:
        """Blur the picture."""
        from processor.codecs.vips import pyvips

        image = pyvips.Image.new_from_array(self.pixels)
        blurred = image.gaussblur(max(0.3, sigma * min(self.height, self.width)), precision="approximate")
        self.pixels = blurred.numpy().astype(np.float32, copy=False).reshape(self.pixels.shape)

    def reflect(self, shore: float, stretch: float, waves: Floats, tint: Colour) -> None:
        """Paint water below `shore`: the upside-down picture, displaced and darkened by `waves`."""
        rows = shore - (self.y - shore) * stretch + (waves - 0.5) * 0.07
        mirrored = self.pixels[(rows.clip(0, shore - 0.003) * self.height).astype(int), np.arange(self.width)[None, :]]
        self.fill_below(shore, mirrored * (0.5 + 0.3 * waves)[..., None] + np.asarray(tint, np.float32))


def soft(low: float, high: float, values: Floats) -> Floats:
    """Return 0 below `low`, 1 above `high`, and a smooth transition between. `low` may be greater than `high`."""
    t: Floats = ((values - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def gradient(values: Floats, *stops: Sequence[float]) -> Floats:
    """Return colours (h, w, 3) for `values` (h, w) from 0 to 1, between evenly spaced `stops`."""
    levels = np.linspace(0, 1, len(stops))
    bands = [np.interp(values, levels, [stop[band] for stop in stops]) for band in range(3)]
    return np.stack(bands, axis=-1).astype(np.float32)


def shaded(colour: Colour, tone: Floats) -> Floats:
    """Return `colour` multiplied by `tone` (h, w)."""
    return np.asarray(colour, np.float32) * tone[..., None]


def cover(pixels: Floats, colour: Colour, mask: Floats) -> None:
    """Paint `colour` over `pixels` with the opacity `mask`, 0 to 1."""
    pixels += (np.asarray(colour, np.float32) - pixels) * mask[..., None]


def _normalized(values: Floats) -> Floats:
    result: Floats = (values - values.min()) / max(float(np.ptp(values)), 1e-6)
    return result


def _enlarged(values: Floats, height: int, width: int) -> Floats:
    from processor.codecs.vips import pyvips

    image = pyvips.Image.new_from_array(np.ascontiguousarray(values))
    enlarged = image.resize(width / image.width, vscale=height / image.height, kernel="cubic")
    result: Floats = enlarged.crop(0, 0, width, height).numpy().reshape(height, width)
    return result
