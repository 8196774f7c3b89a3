"""To 8-bit sRGB, whatever the file holds."""

from __future__ import annotations

import logging

from processor.codecs.vips import pyvips
from processor.colour.icc import is_srgb
from processor.render.header import PROFILE

_LOG = logging.getLogger(__name__)

_COLOUR_BANDS = {"b-w": 1, "grey16": 1, "cmyk": 4}
_ALPHA_FULL = {"rgb16": 65535.0, "grey16": 65535.0, "scrgb": 1.0}


def split_alpha(image: pyvips.Image) -> tuple[pyvips.Image, pyvips.Image | None]:
    """(colour bands, alpha in 8 bits or None)."""
    if not image.hasalpha():
        return image, None
    colour_bands = image.bands - 1
    alpha = image[colour_bands]
    full = _ALPHA_FULL.get(image.interpretation, 65535.0 if image.format == "ushort" else 255.0)
    if image.format != "uchar" or full != 255.0:
        alpha = (alpha * (255.0 / full)).rint().cast("uchar")
    return image.extract_band(0, n=colour_bands), alpha


def to_srgb(image: pyvips.Image, name: str) -> pyvips.Image:
    """Three bands of 8-bit sRGB from an image without alpha, by its embedded profile.

    A profile that cannot be used is dropped, with a line in the log: most programs show such a
    photo as if it had none. CMYK without a profile goes through libvips' own one. Relative
    colorimetric intent with black point compensation, as photo programs do by default.
    """
    image = _usual_bands(image)
    if image.get_typeof(PROFILE) != 0:
        if image.format == "uchar" and image.bands == 3 and is_srgb(bytes(image.get(PROFILE))):
            return image
        try:
            return _three_bands(
                image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)
            )
        except pyvips.Error:
            _LOG.warning("%s has a colour profile that cannot be used; it is shown without", name)
            image = image.copy()
            image.remove(PROFILE)
    return _three_bands(image.colourspace("srgb"))


def _usual_bands(image: pyvips.Image) -> pyvips.Image:
    """Leave out bands beyond those that the colour space has (TIFF may hold any number)."""
    wanted = _COLOUR_BANDS.get(image.interpretation, 3 if image.bands >= 3 else 1)
    if image.bands > wanted:
        image = image.extract_band(0, n=wanted)
    if image.interpretation in ("multiband", "histogram", "matrix"):
        wide = image.format == "ushort"
        grey, coloured = ("grey16", "rgb16") if wide else ("b-w", "srgb")
        image = image.copy(interpretation=coloured if wanted == 3 else grey)
    return image


def _three_bands(image: pyvips.Image) -> pyvips.Image:
    if image.bands < 3:
        image = image[0].bandjoin([image[0], image[0]])
    return image if image.format == "uchar" else image.cast("uchar")
