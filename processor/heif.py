"""HEIC by libheif and libde265 through pi_heif, because libvips' wheel has no HEVC decoder."""

from __future__ import annotations

from processor.vips_setup import pi_heif, pyvips

_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}


class HeifTrouble(Exception):
    """The file cannot be decoded; the message is libheif's own, in one line."""


def decode_heic(data: bytes) -> pyvips.Image:
    """The primary picture of `data`: 8 bits a sample, turned upright by libheif, its profile attached.

    The whole picture is in memory afterwards: there is no smaller decode of HEVC. Raises HeifTrouble.
    """
    try:
        heif = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = heif.data
        (width, height), stride, mode = heif.size, heif.stride, heif.mode
    # pi_heif passes on whatever libheif reports, as one of these.
    except (ValueError, RuntimeError, OSError, SyntaxError, EOFError, IndexError) as error:
        raise HeifTrouble(" ".join(str(error).split()) or type(error).__name__) from error
    bands = _BANDS.get(mode)
    if bands is None:
        raise HeifTrouble(f"the sample layout {mode} is unknown")
    # Rows may be padded: read them as an image of whole bytes first, then fold bytes to pixels.
    rows = pyvips.Image.new_from_memory(pixels, stride, height, 1, "uchar")
    if stride != width * bands:
        rows = pyvips.Image.new_from_memory(
            rows.crop(0, 0, width * bands, height).write_to_memory(), width * bands, height, 1, "uchar"
        )
        pixels = rows.write_to_memory()
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar")
    image = image.copy(interpretation="b-w" if bands < 3 else "srgb")
    profile = heif.info.get("icc_profile")
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image
