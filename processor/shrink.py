"""Averaging squares of pixels on the way, and running a pipeline into memory."""

from __future__ import annotations

from processor.vips_setup import pyvips


def box_shrink(image: pyvips.Image, shrink: int) -> pyvips.Image:
    """1/`shrink` of the size, rounded up, each result the mean of `shrink` x `shrink` pixels.

    Transparent pixels do not lend their invisible colour to their neighbours. Nothing runs yet.
    """
    if shrink == 1:
        return image
    if not image.hasalpha():
        return image.shrink(shrink, shrink, ceil=True)
    return image.premultiply().shrink(shrink, shrink, ceil=True).unpremultiply().cast(image.format)


def in_memory(image: pyvips.Image) -> pyvips.Image:
    """Run the pipeline once, from top to bottom.

    The result is bare pixels: profile, EXIF and gain map stay behind. Raises pyvips.Error.
    """
    return pyvips.Image.new_from_memory(image.write_to_memory(), image.width, image.height, image.bands, image.format)
