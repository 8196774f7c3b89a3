"""Bytes to a base: one sRGB picture in memory, small enough for its purpose, that all outputs are cut from.

A damaged or truncated file is refused as a whole (BrokenPixels). It could be shown up to the place
where it breaks, but a frame on a wall with a half-grey photo looks broken itself, and the owner, told
by name which file is damaged, can export it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processor.codecs.download_buffer import DownloadBuffer, Original, whole_of
from processor.codecs.heif import HeifError, decode_heic
from processor.codecs.jpeg import decode_plain
from processor.codecs.vips import box_shrink, image_of, in_memory, pixels_of, pyvips
from processor.colour.code_points import code_points, to_sdr
from processor.colour.icc import is_srgb
from processor.colour.matrix import by_matrix, conversion_of
from processor.colour.srgb import split_alpha, to_srgb
from processor.errors import BrokenPixels
from processor.pool.memory_estimate import estimate_bytes
from processor.render.decoded_image import DecodedImage
from processor.render.file_types import Container
from processor.render.header import PROFILE, RESEND, Header, condense, open_lazily, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BACKGROUND",
    "DecodedImage",
    "Header",
    "decode",
    "estimate_bytes",
    "read_header",
]

BACKGROUND = (255, 255, 255)
"""What shows through where a picture is transparent: white, like the paper that most cut-outs are made for."""


def decode(data: Original, header: Header, shrink: int, name: str) -> DecodedImage:
    """Decode once, at 1/`shrink` (1, 2, 4 or 8) of the stored size.

    JPEG and WebP shrink while they decode; of the other formats each `shrink` x `shrink` square is
    averaged on the way, so that the full picture is never in memory (HEIC excepted). Raises BrokenPixels.
    """
    try:
        plain = None if _comes_still(data, header, shrink) else decode_plain(whole_of(data), header, shrink)
        if plain is not None:
            return DecodedImage(_plain_colours(plain, header, name), None, 1 / shrink, 1 / shrink)
        image = _open(data, header, shrink)
        colour, alpha = split_alpha(image)
        if alpha is None:
            return _base(_pixels(colour, data, header, name), None, image, header, shrink)
        colour = _colours(colour, data, header, name)
        # Colour and alpha hang on one pass over the file, so both are fetched in one.
        both = in_memory(colour.bandjoin(alpha))
        flat = both.copy(interpretation="srgb").flatten(background=list(BACKGROUND))
        return _base(pixels_of(flat), pixels_of(both[3])[:, :, 0], image, header, shrink)
    except (pyvips.Error, HeifError) as error:
        raise BrokenPixels(name, f"is damaged or cut off ({condense(error)})", RESEND) from error


def _comes_still(data: Original, header: Header, shrink: int) -> bool:
    """Whether to decode by libvips what has not all arrived yet, instead of waiting for it.

    Not where a shrunk side of a JPEG is rounded: libvips rounds down and the plain decoder up.
    """
    streamed = isinstance(data, DownloadBuffer) and not data.arrived
    return streamed and (header.loader != "jpeg" or (header.width % shrink == 0 and header.height % shrink == 0))


def _plain_colours(pixels: NDArray[np.uint8], header: Header, name: str) -> NDArray[np.uint8]:
    """To sRGB by the profile that the JPEG file had, if it had one and that is another."""
    if not header.profile or (header.bands == 3 and is_srgb(header.profile)):
        return pixels
    by_kernel = by_matrix(pixels, header.profile) if header.bands == 3 else None
    if by_kernel is not None:
        return by_kernel
    # A profile for grey wants grey; its three colours are equal.
    image = image_of(pixels if header.bands == 3 else np.ascontiguousarray(pixels[:, :, :1]))
    image.set_type(pyvips.GValue.blob_type, PROFILE, header.profile)
    return pixels_of(to_srgb(image, name))


def _pixels(image: pyvips.Image, data: Original, header: Header, name: str) -> NDArray[np.uint8]:
    """Run the pipeline; a matrix profile is applied to the result, which is quicker than in its middle."""
    if image.format == "uchar" and image.bands == 3 and image.get_typeof(PROFILE) != 0:
        profile = bytes(image.get(PROFILE))
        # Known before the pipeline runs: it can be run only once.
        convert = None if is_srgb(profile) else conversion_of(profile)
        if convert is not None:
            return convert(pixels_of(image))
    return pixels_of(_colours(image, data, header, name))


def _colours(image: pyvips.Image, data: Original, header: Header, name: str) -> pyvips.Image:
    """To sRGB: by the profile if there is one, else by what a HEIF file says in code points."""
    if header.loader in ("avif", "heic") and image.bands == 3 and image.get_typeof(PROFILE) == 0:
        points = code_points(whole_of(data))
        if points is not None and points.need_conversion:
            return to_sdr(image, points)
    return to_srgb(image, name)


def _open(data: Original, header: Header, shrink: int) -> pyvips.Image:
    if header.loader in ("jpeg", "webp"):
        return open_lazily(data, "jpeg" if header.loader == "jpeg" else "webp", shrink=shrink)
    if header.loader == "heic":
        return decode_heic(whole_of(data), shrink)
    container: Container = "heif" if header.loader == "avif" else header.loader
    return box_shrink(open_lazily(data, container, page=header.page), shrink)


def _base(
    pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, opened: pyvips.Image, header: Header, shrink: int
) -> DecodedImage:
    scale_x = scale_y = 1 / shrink
    if header.loader == "webp":  # its decoder rounds to whole pixels and stretches by the difference
        scale_x, scale_y = opened.width / header.width, opened.height / header.height
    return DecodedImage(pixels, alpha, scale_x, scale_y)
