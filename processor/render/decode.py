"""Decode a photo to one sRGB image in memory, small enough for its purpose, from which all outputs are cropped.

A damaged or truncated file is rejected as a whole (BrokenPixels). It could be shown up to the damage, but a frame on a
wall with a half-grey photo looks broken itself. The owner reads which file is damaged, and can export it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contract.image_header.signatures import Container
from processor.codecs.download_buffer import DownloadBuffer, Original, content_of
from processor.codecs.heif import HeifError, decode_heic
from processor.codecs.jpeg import decode_plain
from processor.codecs.vips import PROFILE, box_shrink, image_of, in_memory, pixels_of, pyvips
from processor.colour.code_points import code_points, to_sdr
from processor.colour.icc import is_srgb
from processor.colour.matrix import by_matrix, conversion_of
from processor.colour.srgb import split_alpha, to_srgb
from processor.errors import BrokenPixels
from processor.render.decoded_image import DecodedImage
from processor.render.header import RESEND, Header, condense, open_lazily

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAPER = (255, 255, 255)
"""The colour behind transparent pixels: white, like the paper for which most cut-outs are made."""


def decode(original: Original, header: Header, shrink: int, name: str) -> DecodedImage:
    """Decode once, at 1/`shrink` (1, 2, 4 or 8) of the stored size.

    JPEG and WebP shrink while they decode. Of the other formats each `shrink` x `shrink` square is
    averaged during decoding, so that the full image is never in memory (except HEIC). Raises BrokenPixels.
    """
    try:
        plain = _decode_plain_jpeg(original, header, shrink)
        if plain is not None:
            return DecodedImage(_plain_to_srgb(plain, header, name), None, 1 / shrink, 1 / shrink)
        image = _open(original, header, shrink)
        colour, alpha = split_alpha(image)
        if alpha is None:
            return _decoded(_srgb_pixels(colour, original, header, name), None, image, header, shrink)
        colour = _to_srgb(colour, original, header, name)
        # Colour and alpha need one pass over the file, so both are fetched in the same one.
        both = in_memory(colour.bandjoin(alpha))
        flat = both.copy(interpretation="srgb").flatten(background=list(PAPER))
        return _decoded(pixels_of(flat), pixels_of(both[3])[:, :, 0], image, header, shrink)
    except (pyvips.Error, HeifError) as error:
        raise BrokenPixels(name, f"is damaged or cut off ({condense(error)})", RESEND) from error


def _decode_plain_jpeg(original: Original, header: Header, shrink: int) -> NDArray[np.uint8] | None:
    """Decode a complete JPEG file by libjpeg-turbo; None for a file that libvips has to decode.

    A file that is still downloading is decoded by libvips during the download, instead of waiting for its end.
    The exception is a JPEG whose sides `shrink` does not divide: libvips rounds down and the plain decoder up.
    """
    if header.loader != "jpeg" or header.bands not in (1, 3) or header.bits != 8:
        return None
    downloading = isinstance(original, DownloadBuffer) and not original.complete
    if downloading and header.width % shrink == 0 and header.height % shrink == 0:
        return None
    return decode_plain(content_of(original), header.width, header.height, shrink, progressive=header.progressive)


def _plain_to_srgb(pixels: NDArray[np.uint8], header: Header, name: str) -> NDArray[np.uint8]:
    """Convert to sRGB by the profile of the JPEG file, if it has another profile than sRGB."""
    if not header.profile or (header.bands == 3 and is_srgb(header.profile)):
        return pixels
    by_kernel = by_matrix(pixels, header.profile) if header.bands == 3 else None
    if by_kernel is not None:
        return by_kernel
    # A profile for grey needs one band; the three bands of a grey file are equal.
    image = image_of(pixels if header.bands == 3 else np.ascontiguousarray(pixels[:, :, :1]))
    image.set_type(pyvips.GValue.blob_type, PROFILE, header.profile)
    return pixels_of(to_srgb(image, name))


def _srgb_pixels(image: pyvips.Image, original: Original, header: Header, name: str) -> NDArray[np.uint8]:
    """Run the pipeline; a matrix profile is applied to the result, which is faster than inside the pipeline."""
    if image.format == "uchar" and image.bands == 3 and image.get_typeof(PROFILE) != 0:
        profile = bytes(image.get(PROFILE))
        # Decided before the pipeline runs: it can run only once.
        convert = None if is_srgb(profile) else conversion_of(profile)
        if convert is not None:
            return convert(pixels_of(image))
    return pixels_of(_to_srgb(image, original, header, name))


def _to_srgb(image: pyvips.Image, original: Original, header: Header, name: str) -> pyvips.Image:
    """Convert to sRGB: by the profile if there is one, else by the code points of a HEIF file."""
    if header.loader in ("avif", "heic") and image.bands == 3 and image.get_typeof(PROFILE) == 0:
        points = code_points(content_of(original))
        if points is not None and points.need_conversion:
            return to_sdr(image, points)
    return to_srgb(image, name)


def _open(original: Original, header: Header, shrink: int) -> pyvips.Image:
    if header.loader in ("jpeg", "webp"):
        return open_lazily(original, "jpeg" if header.loader == "jpeg" else "webp", shrink=shrink)
    if header.loader == "heic":
        return decode_heic(content_of(original), shrink)
    container: Container = "heif" if header.loader == "avif" else header.loader
    items = header.facts.heif.items if header.facts.heif else 1
    image = open_lazily(original, container, items=items)
    _require_size(image, header)
    return box_shrink(image, shrink)


def _require_size(image: pyvips.Image, header: Header) -> None:
    """Raise pyvips.Error if the decoder's size is not that of the header, from which every crop is computed."""
    if (image.width, image.height) != (header.width, header.height):
        raise pyvips.Error(
            f"its header declares {header.width} x {header.height} pixels, "
            f"and its pixels are {image.width} x {image.height}"
        )


def _decoded(
    pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, opened: pyvips.Image, header: Header, shrink: int
) -> DecodedImage:
    scale_x = scale_y = 1 / shrink
    if header.loader == "webp":  # its decoder rounds to full pixels and stretches by the difference
        scale_x, scale_y = opened.width / header.width, opened.height / header.height
    return DecodedImage(pixels, alpha, scale_x, scale_y)
