"""Convert any decoded image to 8-bit sRGB."""

from __future__ import annotations

import logging

from processor.codecs.vips import PROFILE, pyvips
from processor.colour.icc import is_srgb

log = logging.getLogger(__name__)

_COLOUR_BANDS = {"b-w": 1, "grey16": 1, "cmyk": 4}
_ALPHA_FULL = {"rgb16": 65535.0, "grey16": 65535.0, "scrgb": 1.0}


def split_alpha(image: pyvips.Image) -> tuple[pyvips.Image, pyvips.Image | None]:
    """Return the colour bands, and alpha in 8 bits or None."""
    if not image.hasalpha():
        return image, None
    colour_bands = image.bands - 1
    alpha = image[colour_bands]
    full = _ALPHA_FULL.get(image.interpretation, 65535.0 if image.format == "ushort" else 255.0)
    if image.format != "uchar" or full != 255.0:
        alpha = (alpha * (255.0 / full)).rint().cast("uchar")
    return image.extract_band(0, n=colour_bands), alpha


def to_srgb(image: pyvips.Image, name: str) -> pyvips.Image:
    """Convert an image without alpha to three bands of 8-bit sRGB, by its embedded profile.

    A profile that cannot be used is dropped, with a log line: most programs show such a photo as if it had none.
    CMYK without a profile is converted by the profile of libvips.
    The intent is relative colorimetric with black point compensation, the default of photo programs.
    """
    image = _expected_bands(image)
    if image.get_typeof(PROFILE) != 0:
        if image.format == "uchar" and image.bands == 3 and is_srgb(bytes(image.get(PROFILE))):
            return image
        try:
            return _three_bands(
                image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)
            )
        except pyvips.Error:
            log.warning("unusable colour profile in %s; the photo is shown without it", name)
            image = image.copy()
            image.remove(PROFILE)
    return _three_bands(image.colourspace("srgb"))


def _expected_bands(image: pyvips.Image) -> pyvips.Image:
    """Drop bands beyond those of the colour space (TIFF may have any number)."""
    expected = _COLOUR_BANDS.get(image.interpretation, 3 if image.bands >= 3 else 1)
    if image.bands > expected:
        image = image.extract_band(0, n=expected)
    if image.interpretation in ("multiband", "histogram", "matrix"):
        wide = image.format == "ushort"
        grey, coloured = ("grey16", "rgb16") if wide else ("b-w", "srgb")
        image = image.copy(interpretation=coloured if expected == 3 else grey)
    return image


def _three_bands(image: pyvips.Image) -> pyvips.Image:
    if image.bands < 3:
        image = image[0].bandjoin([image[0], image[0]])
    return image if image.format == "uchar" else image.cast("uchar")
