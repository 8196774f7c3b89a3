"""The colours of a photo: a small proxy, 128 quantized colours, Material's score.

`quantize` and `score` put the compiled kernels of `native` into this room's terms; everything else
only prepares their input and names their output. Both are deterministic, on every machine, and let other
threads work meanwhile.

What a palette is, and what a photo without colour gets, stands in `contract/colour/palettes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import native
from contract.colour.palettes import PALETTE_COLOURS, palette_of
from contract.messages.processing import Histogram, Palette
from processor.render.decoded_image import DecodedImage
from processor.render.geometry import PROXY_SIDE, upright_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLOURS = 128

Rgb = tuple[int, int, int]


def proxy_scale(width: int, height: int) -> float:
    """The factor that makes the longest side `PROXY_SIDE`; never enlarges."""
    return min(1.0, PROXY_SIDE / max(width, height))


def small_picture(base: DecodedImage, orientation: int = 1) -> NDArray[np.uint8]:
    """The proxy: the upright photo with a longest side of at most `PROXY_SIDE`, uint8 of shape (h, w, 3).

    `orientation` is the EXIF value of how the base lies.
    """
    height, width = base.pixels.shape[:2]
    scale = proxy_scale(width, height)
    if scale == 1 and orientation == 1:
        return base.pixels
    pixels, _ = base.for_ratio(1 / scale)
    small = upright_size(max(1, round(width * scale)), max(1, round(height * scale)), orientation)
    return native.resize(pixels, *small, orientation=orientation)


def proxy_pixels(base: DecodedImage, small: NDArray[np.uint8] | None = None, orientation: int = 1) -> NDArray[np.uint8]:
    """The pixels that count, as an array of shape (n, 3), uint8, sRGB; n is at least 1.

    Where the photo has transparency only its opaque pixels count, unless there are none at all. `small` is
    `small_picture(base, orientation)`, where somebody has it already.
    """
    colours = (small_picture(base, orientation) if small is None else small).reshape(-1, 3)
    if base.alpha is None:
        return colours
    grey = DecodedImage(np.repeat(base.alpha[:, :, np.newaxis], 3, axis=2), None, base.scale_x, base.scale_y)
    opaque = small_picture(grey, orientation)[:, :, 0].reshape(-1) == 255
    return colours[opaque] if opaque.any() else colours


def find_colours(pixels: NDArray[np.uint8]) -> tuple[Palette, Histogram]:
    """Palette and histogram of `pixels`, shape (n, 3), uint8.

    The histogram has at most 128 entries, most frequent first, ties by colour.
    """
    counted = quantize(pixels, MAX_COLOURS)
    ordered = dict(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])))
    histogram = {_hex(colour): population for colour, population in ordered.items()}
    chosen = [_hex(colour) for colour in score(ordered, PALETTE_COLOURS)]
    return palette_of(chosen, histogram), histogram


def load_kernels() -> None:
    """Load the compiled kernels now rather than with the first photo: half a second and 100 MB, once."""
    score(quantize(np.zeros((1, 3), np.uint8), 1), 1)
    native.resize(native.halve(np.zeros((4, 4, 3), np.uint8)), 1, 1)


def quantize(pixels: NDArray[np.uint8], most: int) -> dict[Rgb, int]:
    """At most `most` colours for `pixels`, and how many pixels each stands for (Celebi: Wu, then k-means)."""
    return {_rgb(argb): population for argb, population in native.quantize(pixels, most).items()}


def score(populations: Mapping[Rgb, int], desired: int) -> list[Rgb]:
    """The colours that Material would make themes from, best first; empty if none has any chroma."""
    no_choice = 0  # transparent black, which is no quantized colour
    argb = {0xFF000000 | red << 16 | green << 8 | blue: n for (red, green, blue), n in populations.items()}
    return [_rgb(colour) for colour in native.score(argb, desired, no_choice) if colour != no_choice]


def _rgb(argb: int) -> Rgb:
    return (argb >> 16) & 255, (argb >> 8) & 255, argb & 255


def _hex(colour: Rgb) -> str:
    return "#{:02X}{:02X}{:02X}".format(*colour)
