"""Decode HEIC with libheif and libde265 through pi_heif, because the libvips wheel has no HEVC decoder."""

from __future__ import annotations

from processor.codecs.vips import PROFILE, box_shrink, in_memory, pi_heif, pyvips

_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}


class HeifError(Exception):
    """The file cannot be decoded. The message is libheif's message in one line."""


def decode_heic(data: bytes, shrink: int) -> pyvips.Image:
    """Decode the primary image of `data` at 1/`shrink`: 8 bits per sample, turned upright by libheif, with its profile.

    HEVC has no smaller decode, so the full image is in memory for a moment. Raises HeifError.
    """
    try:
        # libheif owns the pixels, and `heif.data` does not keep them alive: `heif` must outlive their use.
        heif = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = heif.data
        (width, height), stride, mode = heif.size, heif.stride, heif.mode
        profile = heif.info.get("icc_profile")
    # pi_heif raises one of these for every error that libheif reports.
    except (ValueError, RuntimeError, OSError, SyntaxError, EOFError, IndexError) as error:
        raise HeifError(" ".join(str(error).split()) or type(error).__name__) from error
    bands = _BANDS.get(mode)
    if bands is None:
        raise HeifError(f"the sample layout {mode} is unknown")
    if stride != width * bands:  # rows may be padded
        rows = pyvips.Image.new_from_memory(pixels, stride, height, 1, "uchar")
        pixels = rows.crop(0, 0, width * bands, height).write_to_memory()
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar")
    colours = "b-w" if bands < 3 else "srgb"
    image = in_memory(box_shrink(image.copy(interpretation=colours), shrink)).copy(interpretation=colours)
    if profile:
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return image
