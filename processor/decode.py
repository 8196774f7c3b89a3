"""Bytes to a base: one sRGB picture in memory, small enough for its purpose, that all outputs are cut from.

A damaged or truncated file is refused as a whole (BrokenPixels). It could be shown up to the place
where it breaks, but a frame on a wall with a half-grey photo looks broken itself, and the owner, told
by name which file is damaged, can export it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from processor.colour import split_alpha, to_srgb
from processor.errors import BrokenPixels
from processor.hdr import code_points, to_sdr
from processor.header import RESEND, Header, condense, open_lazily, read_header
from processor.heif import HeifTrouble, decode_heic
from processor.memory_estimate import estimate_bytes
from processor.shrink import box_shrink, in_memory
from processor.signatures import Container
from processor.vips_setup import pyvips

__all__ = [
    "BACKGROUND",
    "Base",
    "Header",
    "decode",
    "estimate_bytes",
    "read_header",
]

BACKGROUND = (255, 255, 255)
"""What shows through where a picture is transparent: white, like the paper that most cut-outs are made for."""


@dataclass(frozen=True, slots=True)
class Base:
    """`image`: sRGB, 3 bands of 8 bits, in memory, no metadata, still in *stored* orientation.

    `alpha`: one band of 8 bits of the same size, in memory, or None. `scale_x` and `scale_y`: base
    pixels per stored pixel.
    """

    image: pyvips.Image
    alpha: pyvips.Image | None
    scale_x: float
    scale_y: float


def decode(data: bytes, header: Header, shrink: int, name: str) -> Base:
    """Decode once, at 1/`shrink` (1, 2, 4 or 8) of the stored size.

    JPEG and WebP shrink while they decode; of the other formats each `shrink` x `shrink` square is
    averaged on the way, so that the full picture is never in memory (HEIC excepted). Raises BrokenPixels.
    """
    try:
        image = _open(data, header, shrink)
        colour, alpha = split_alpha(image)
        colour = _colours(colour, data, header, name)
        if alpha is None:
            return _base(colour, None, image, header, shrink)
        # Colour and alpha hang on one pass over the file, so both are fetched in one.
        both = in_memory(colour.bandjoin(alpha))
        flat = both.copy(interpretation="srgb").flatten(background=list(BACKGROUND))
        return _base(flat, in_memory(both[3]), image, header, shrink)
    except (pyvips.Error, HeifTrouble) as error:
        raise BrokenPixels(name, f"is damaged or cut off ({condense(error)})", RESEND) from error


def _colours(image: pyvips.Image, data: bytes, header: Header, name: str) -> pyvips.Image:
    """To sRGB: by the profile if there is one, else by what a HEIF file says in code points."""
    if header.loader in ("avif", "heic") and image.bands == 3 and image.get_typeof("icc-profile-data") == 0:
        points = code_points(data)
        if points is not None and points.need_conversion:
            return to_sdr(image, points)
    return to_srgb(image, name)


def _open(data: bytes, header: Header, shrink: int) -> pyvips.Image:
    if header.loader in ("jpeg", "webp"):
        return open_lazily(data, "jpeg" if header.loader == "jpeg" else "webp", shrink=shrink)
    if header.loader == "heic":
        return decode_heic(data, shrink)
    container: Container = "heif" if header.loader == "avif" else header.loader
    return box_shrink(open_lazily(data, container, page=header.page), shrink)


def _base(flat: pyvips.Image, alpha: pyvips.Image | None, opened: pyvips.Image, header: Header, shrink: int) -> Base:
    scale_x = scale_y = 1 / shrink
    if header.loader == "webp":  # its decoder rounds to whole pixels and stretches by the difference
        scale_x, scale_y = opened.width / header.width, opened.height / header.height
    return Base(in_memory(flat).copy(interpretation="srgb"), alpha, scale_x, scale_y)
