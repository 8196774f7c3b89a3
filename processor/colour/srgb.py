"""Convert any decoded image to 8-bit sRGB."""

from __future__ import annotations

import logging

from processor.codecs.vips import PROFILE, pyvips
from processor.colour.icc import is_srgb

log = logging.getLogger(__name__)

_GREY_TOLERANCE = 3
"""Levels by which the bands of a grey photo may differ after lossy compression."""
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


def profile_of(image: pyvips.Image) -> bytes:
    """Return the embedded ICC profile, or nothing."""
    return bytes(image.get(PROFILE)) if image.get_typeof(PROFILE) != 0 else b""


def with_profile(image: pyvips.Image, profile: bytes) -> pyvips.Image:
    """Return `image` with this profile in place of its own; without one if it is empty."""
    embedded = profile_of(image)
    if embedded == profile:
        return image
    image = image.copy()
    if profile:
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    else:
        image.remove(PROFILE)
    return image


def to_full_range(image: pyvips.Image) -> pyvips.Image:
    """Stretch samples of the limited range, 16 to 235 of 255, which libheif leaves as they are in grey images."""
    full, unit = (65535.0, 256.0) if image.format == "ushort" else (255.0, 1.0)
    scale = full / (219 * unit)
    return image.linear(scale, -16 * unit * scale).rint().cast(image.format)


def to_srgb(image: pyvips.Image, name: str, *, has_alpha: bool = False) -> pyvips.Image:
    """Convert an image without alpha to three bands of 8-bit sRGB, by its embedded profile.

    A profile that cannot be used is dropped, with a log line: most programs show such a photo as if it had none.
    CMYK without a profile is converted by the profile of libvips.
    The intent is relative colorimetric with black point compensation, the default of photo programs.

    Args:
        image: The colour bands.
        name: Name of the file in the log.
        has_alpha: Whether alpha is read from the same pipeline, which then may not run here.
    """
    image = _expected_bands(image)
    profile = profile_of(image)
    if profile and image.format == "float":  # lcms needs integers
        image = (image * 65535.0).rint().cast("ushort").copy(interpretation="rgb16")
    if profile:
        if image.format == "uchar" and image.bands == 3 and is_srgb(profile):
            return image
        image = _bands_of_profile(image, profile, has_alpha=has_alpha)
        try:
            return three_bands(
                image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)
            )
        except pyvips.Error:
            log.warning("unusable colour profile in %s; the photo is shown without it", name)
            image = image.copy()
            image.remove(PROFILE)
    return three_bands(image.colourspace("srgb"))


def _bands_of_profile(image: pyvips.Image, profile: bytes, *, has_alpha: bool) -> pyvips.Image:
    """Return grey pixels with as many bands as the profile needs: AVIF and WebP decoders give three bands to grey."""
    wide = image.format == "ushort"
    if profile[16:20] == b"RGB " and image.bands == 1:
        return with_profile(image.bandjoin([image, image]).copy(interpretation="rgb16" if wide else "srgb"), profile)
    if profile[16:20] == b"GRAY" and image.bands == 3 and not has_alpha:
        pixels = image.copy_memory()
        tolerance = _GREY_TOLERANCE * (257 if wide else 1)
        if max((pixels[0] - pixels[1]).abs().max(), (pixels[1] - pixels[2]).abs().max()) <= tolerance:
            return with_profile(pixels[1].copy(interpretation="grey16" if wide else "b-w"), profile)
        return pixels
    return image


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


def three_bands(image: pyvips.Image) -> pyvips.Image:
    """Return `image` with three bands of 8 bits."""
    if image.bands < 3:
        image = image[0].bandjoin([image[0], image[0]])
    return image if image.format == "uchar" else image.cast("uchar")
