"""Decode HEIC with libheif and libde265 through pi_heif, because the libvips wheel has no HEVC decoder."""

from __future__ import annotations

from processor.codecs.vips import PROFILE, box_shrink, in_memory, pi_heif, pyvips

_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
_WIDE_BANDS = {"I;16": 1, "LA;16": 2, "RGB;16": 3, "RGBA;16": 4, "RGBa;16": 4}


class HeifError(Exception):
    """The file cannot be decoded. The message is libheif's message in one line."""


def decode_heic(data: bytes, shrink: int, size: tuple[int, int] | None = None, *, wide: bool = False) -> pyvips.Image:
    """Decode the primary image of `data` at 1/`shrink`, turned upright by libheif, with its profile.

    HEVC has no smaller decode, so the full image is in memory for a moment.

    Args:
        data: The file.
        shrink: 1, 2, 4 or 8.
        size: Width and height that the decoded image must have.
        wide: Whether more than 8 bits per sample are kept, scaled to 16. Grey images always keep them.

    Raises:
        HeifError: The file cannot be decoded, or has another size.
    """
    try:
        # libheif owns the pixels, and `heif.data` does not keep them alive: `heif` must outlive their use.
        heif = pi_heif.open_heif(data, convert_hdr_to_8bit=not wide)
        pixels = heif.data
        (width, height), stride, mode = heif.size, heif.stride, heif.mode
        profile = heif.info.get("icc_profile")
    # pi_heif raises one of these for every error that libheif reports.
    except (ValueError, RuntimeError, OSError, SyntaxError, EOFError, IndexError) as error:
        raise HeifError(" ".join(str(error).split()) or type(error).__name__) from error
    if size is not None and (width, height) != size:
        raise HeifError(f"its header declares {size[0]} x {size[1]} pixels, and its pixels are {width} x {height}")
    bands, samples = (_WIDE_BANDS.get(mode), 2) if mode in _WIDE_BANDS else (_BANDS.get(mode), 1)
    if bands is None:
        raise HeifError(f"the sample layout {mode} is unknown")
    row = width * bands * samples
    if stride != row:  # rows may be padded
        rows = pyvips.Image.new_from_memory(pixels, stride, height, 1, "uchar")
        pixels = rows.crop(0, 0, row, height).write_to_memory()
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar" if samples == 1 else "ushort")
    grey, coloured = ("b-w", "srgb") if samples == 1 else ("grey16", "rgb16")
    colours = grey if bands < 3 else coloured
    image = in_memory(box_shrink(image.copy(interpretation=colours), shrink)).copy(interpretation=colours)
    if profile:
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return image
