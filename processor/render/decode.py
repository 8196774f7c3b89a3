"""Decode a photo to one sRGB image in memory, small enough for its purpose, from which all outputs are cropped.

A damaged or truncated file is rejected as a whole (BrokenPixels). It could be shown up to the damage, but a frame on a
wall with a half-grey photo looks broken itself. The owner reads which file is damaged, and can export it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from processor.codecs.download_buffer import DownloadBuffer, Original, content_of
from processor.codecs.heif import HeifError, decode_heic
from processor.codecs.jpeg import decode_plain, with_end_marker
from processor.codecs.vips import PROFILE, box_shrink, image_of, in_memory, pixels_of, pyvips
from processor.colour.code_points import HLG, PQ, to_sdr
from processor.colour.declared import declared_colour, heif_points
from processor.colour.icc import is_srgb
from processor.colour.matrix import by_matrix, conversion_of
from processor.colour.planes import as_planes, needs_planes, planes_to_sdr
from processor.colour.srgb import profile_of, split_alpha, to_full_range, to_srgb, with_profile
from processor.errors import BrokenPixels, NotAllowed
from processor.render.decoded_image import DecodedImage
from processor.render.header import RESEND, Header, condense, open_lazily

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LIGHT = 64.0
"""Floating-point samples are linear light, 1 for white. Highlights are brighter; 255 would be another scale."""
PAPER = (255, 255, 255)
"""The colour behind transparent pixels: white, like the paper for which most cut-outs are made."""


def decode(original: Original, header: Header, shrink: int, name: str) -> DecodedImage:
    """Decode once, at 1/`shrink` (1, 2, 4 or 8) of the stored size.

    JPEG and WebP shrink while they decode. Of the other formats each `shrink` x `shrink` square is
    averaged during decoding, so that the full image is never in memory (except HEIC). Raises BrokenPixels.
    """
    try:
        return _decode_whole(original, header, shrink, name)
    except (pyvips.Error, HeifError) as error:
        plain = _decode_unended_jpeg(original, header, shrink)
        if plain is None:
            raise BrokenPixels(name, f"is damaged or cut off ({condense(error)})", RESEND) from error
        return DecodedImage(_plain_to_srgb(plain, header, name), None, 1 / shrink, 1 / shrink)


def _decode_whole(original: Original, header: Header, shrink: int, name: str) -> DecodedImage:
    """Decode a file without errors. Raises pyvips.Error or HeifError."""
    plain = _decode_plain_jpeg(original, header, shrink)
    if plain is not None:
        return DecodedImage(_plain_to_srgb(plain, header, name), None, 1 / shrink, 1 / shrink)
    image = _open(original, header, shrink, name)
    by_planes = _by_planes(header)
    if by_planes:
        image = _planes_to_srgb(image, header)
    colour, alpha = split_alpha(image)
    if alpha is None:
        pixels = pixels_of(colour) if by_planes else _srgb_pixels(colour, header, name)
        return _decoded(pixels, None, image, header, shrink)
    if not by_planes:
        colour = _to_srgb(colour, header, name, has_alpha=True)
    # Colour and alpha need one pass over the file, so both are fetched in the same one.
    both = in_memory(colour.bandjoin(alpha))
    _require_pixels(both, header)
    flat = both.copy(interpretation="srgb").flatten(background=list(PAPER))
    return _decoded(pixels_of(flat), pixels_of(both[3])[:, :, 0], image, header, shrink)


def _require_pixels(both: pyvips.Image, header: Header) -> None:
    """Raise pyvips.Error if a format without transparency was decoded to nothing but transparent pixels.

    libtiff returns such pixels, without an error, for what it cannot decode.
    """
    if not header.has_alpha and header.loader not in ("gif", "webp") and both[3].max() == 0:
        raise pyvips.Error("the decoder returned no pixels")


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


def _decode_unended_jpeg(original: Original, header: Header, shrink: int) -> NDArray[np.uint8] | None:
    """Decode a JPEG file of which only the end marker is missing; None for any other file.

    The decoder is strict: with the marker in place, it reports every row that is missing.
    """
    if header.loader != "jpeg" or header.bands not in (1, 3):
        return None
    data = with_end_marker(content_of(original))
    if data is None:
        return None
    return decode_plain(data, header.width, header.height, shrink, progressive=header.progressive)


def _plain_to_srgb(pixels: NDArray[np.uint8], header: Header, name: str) -> NDArray[np.uint8]:
    """Convert to sRGB by what the JPEG file declares, if that is another colour space."""
    declared = declared_colour(header.facts, header.profile)
    if declared.points is not None:
        return pixels_of(to_sdr(image_of(pixels), declared.points))
    profile = declared.profile
    # A profile for grey needs one band; the three bands of a grey file are equal.
    grey = header.bands == 1 and profile[16:20] == b"GRAY"
    if not profile or (not grey and is_srgb(profile)):
        return pixels
    by_kernel = None if grey else by_matrix(pixels, profile)
    if by_kernel is not None:
        return by_kernel
    image = image_of(np.ascontiguousarray(pixels[:, :, :1]) if grey else pixels)
    image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return pixels_of(to_srgb(image, name))


def _srgb_pixels(image: pyvips.Image, header: Header, name: str) -> NDArray[np.uint8]:
    """Run the pipeline; a matrix profile is applied to the result, which is faster than inside the pipeline."""
    if image.format == "uchar" and image.bands == 3:
        declared = declared_colour(header.facts, profile_of(image))
        # Decided before the pipeline runs: it can run only once.
        usable = declared.profile and not declared.stretch and not is_srgb(declared.profile)
        convert = conversion_of(declared.profile) if usable else None
        if convert is not None:
            return convert(pixels_of(image))
    return pixels_of(_to_srgb(image, header, name))


def _to_srgb(image: pyvips.Image, header: Header, name: str, *, has_alpha: bool = False) -> pyvips.Image:
    """Convert to sRGB by the declaration that counts."""
    declared = declared_colour(header.facts, profile_of(image))
    image = with_profile(image, declared.profile)
    if declared.stretch:
        image = to_full_range(image)
    if declared.points is not None:
        if image.bands < 3:
            image = image[0].bandjoin([image[0], image[0]])
        return to_sdr(image, declared.points, limited=declared.limited)
    return to_srgb(image, name, has_alpha=has_alpha)


def _by_planes(header: Header) -> bool:
    """Return whether the file is decoded to Y, Cb and Cr, for a matrix that libheif does not apply."""
    heif = header.facts.heif
    return heif is not None and not heif.has_profile and needs_planes(heif, heif_points(header.facts))


def _planes_to_srgb(image: pyvips.Image, header: Header) -> pyvips.Image:
    """Return the planes of `image` in 8-bit sRGB, with alpha if there is one."""
    points = heif_points(header.facts)
    assert points is not None
    image = in_memory(image).copy(interpretation="rgb16" if image.format == "ushort" else "srgb")
    colour, alpha = split_alpha(image)
    converted = image_of(planes_to_sdr(colour.numpy(), points))
    return converted if alpha is None else converted.bandjoin(alpha)


def _open(original: Original, header: Header, shrink: int, name: str) -> pyvips.Image:
    if header.loader == "jpeg" or header.loader == "webp":
        return open_lazily(original, header.loader, shrink=shrink)
    if header.loader == "avif" or header.loader == "heic":
        return _open_heif(content_of(original), header, shrink)
    image = open_lazily(original, header.loader)
    _require_size(image, header)
    if image.format == "float":
        image = image.copy_memory()
        if (brightest := image.max()) > MAX_LIGHT:
            reason = f"is a TIFF with floating-point samples up to {brightest:g}, where 1 is white"
            raise NotAllowed(name, reason, "Export it as JPEG or as 8- or 16-bit TIFF")
    return box_shrink(image, shrink)


def _open_heif(data: bytes, header: Header, shrink: int) -> pyvips.Image:
    heif = header.facts.heif
    if heif is not None and _by_planes(header):
        data = as_planes(data, heif)
    if header.loader == "heic":
        points = heif_points(header.facts)
        wide = header.bits > 8 and points is not None and points.transfer in (PQ, HLG)
        return decode_heic(data, shrink, (header.width, header.height), wide=wide)
    image = open_lazily(data, "heif", items=heif.items if heif else 1)
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
