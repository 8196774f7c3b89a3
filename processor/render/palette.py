"""Find the colours of a photo: a downsampled copy, 128 quantized colours, the score of Material.

`quantize` and `score` adapt the compiled kernels of `native`. Everything else prepares their input and names their
output. Both are deterministic on every machine, and let other threads run.

`contract/colour/palettes.py` defines what a palette is, and what a photo without colour gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

import native
from contract.colour.histogram import MAX_ENTRIES
from contract.colour.palettes import PALETTE_COLOURS, palette_of
from contract.messages.processing import Histogram, Palette
from processor.render.decoded_image import DecodedImage, Rgb
from processor.render.geometry import DOWNSAMPLED_SIDE, upright_size

if TYPE_CHECKING:
    from numpy.typing import NDArray


def downsampled(decoded: DecodedImage, orientation: int = 1) -> NDArray[np.uint8]:
    """Return the upright photo with a longest side of at most `DOWNSAMPLED_SIDE`: uint8 of shape (h, w, 3).

    `orientation` is the EXIF orientation of `decoded`. The photo is never enlarged.
    """
    height, width = decoded.pixels.shape[:2]
    scale = min(1.0, DOWNSAMPLED_SIDE / max(width, height))
    if scale == 1 and orientation == 1:
        return decoded.pixels
    pixels, _ = decoded.level_for(1 / scale)
    size = upright_size(max(1, round(width * scale)), max(1, round(height * scale)), orientation)
    return native.resize(pixels, *size, orientation=orientation)


def colour_pixels(
    decoded: DecodedImage, small: NDArray[np.uint8] | None = None, orientation: int = 1
) -> NDArray[np.uint8]:
    """Return the pixels from which colours are found: sRGB, uint8 of shape (n, 3), n at least 1.

    Of a photo with transparency only the opaque pixels count, unless there are none.
    `small` is `downsampled(decoded, orientation)`, if the caller has it already.
    """
    colours = (downsampled(decoded, orientation) if small is None else small).reshape(-1, 3)
    if decoded.alpha is None:
        return colours
    grey = DecodedImage(np.repeat(decoded.alpha[:, :, np.newaxis], 3, axis=2), None, decoded.scale_x, decoded.scale_y)
    opaque = downsampled(grey, orientation)[:, :, 0].reshape(-1) == 255
    return colours[opaque] if opaque.any() else colours


def find_colours(pixels: NDArray[np.uint8]) -> tuple[Palette, Histogram]:
    """Return palette and histogram of `pixels`, uint8 of shape (n, 3).

    The histogram has at most 128 entries, most frequent first, on ties by colour.
    """
    ordered = dict(sorted(quantize(pixels, MAX_ENTRIES).items(), key=lambda entry: (-entry[1], entry[0])))
    histogram = {_hex(colour): population for colour, population in ordered.items()}
    chosen = [_hex(colour) for colour in score(ordered, PALETTE_COLOURS)]
    return palette_of(chosen, histogram), histogram


def load_kernels() -> None:
    """Load the compiled kernels now and not with the first photo: half a second and 100 MB, once."""
    score(quantize(np.zeros((1, 3), np.uint8), 1), 1)
    native.resize(native.halve(np.zeros((4, 4, 3), np.uint8)), 1, 1)


def quantize(pixels: NDArray[np.uint8], max_colours: int) -> dict[Rgb, int]:
    """Return at most `max_colours` colours for `pixels`, each with its number of pixels (Celebi: Wu, then k-means)."""
    return {_rgb(argb): population for argb, population in native.quantize(pixels, max_colours).items()}


def score(populations: Mapping[Rgb, int], desired: int) -> list[Rgb]:
    """Return the colours from which Material would make themes, best first; empty if none has any chroma."""
    no_colour = 0  # transparent black, which is never a quantized colour
    argb = {0xFF000000 | red << 16 | green << 8 | blue: n for (red, green, blue), n in populations.items()}
    return [_rgb(colour) for colour in native.score(argb, desired, no_colour) if colour != no_colour]


def _rgb(argb: int) -> Rgb:
    return (argb >> 16) & 255, (argb >> 8) & 255, argb & 255


def _hex(colour: Rgb) -> str:
    return "#{:02X}{:02X}{:02X}".format(*colour)
