"""Read the header of a photo: format, size, orientation, samples and declarations of colour."""

from __future__ import annotations

import struct

from contract.image_header.heif import read_heif
from contract.image_header.model import HeaderError, ImageHeader, KindNotSupported
from contract.image_header.rasters import PNG_SIGNATURE, read_gif, read_jpeg, read_png, read_webp
from contract.image_header.signatures import Container, container_of, rejected_format
from contract.image_header.source import BytesSource, Reader, Source
from contract.image_header.tags import read_tiff

SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC"
_SIGNATURE_BYTES = 4096
_READERS = {
    "jpeg": ("a JPEG file", read_jpeg),
    "png": ("a PNG file", read_png),
    "webp": ("a WebP file", read_webp),
    "gif": ("a GIF file", read_gif),
    "tiff": ("a TIFF file", read_tiff),
    "heif": ("a HEIF file", read_heif),
}

__all__ = ["PNG_SIGNATURE", "SUPPORTED", "Container", "NotAPhoto", "read_image_header"]


class NotAPhoto(HeaderError):
    """The first bytes belong to no format that is supported."""


def read_image_header(file: bytes | Source) -> ImageHeader:
    """Return the header of a photo. No pixels are decoded.

    Args:
        file: The complete file, or a source that waits for the bytes that are still downloading.

    Raises:
        NotAPhoto: The file is empty or has no signature of an image.
        KindNotSupported: The format, or this kind of it, is recognised and not rendered.
        HeaderError: The header is damaged or cut off.
    """
    source = BytesSource(file) if isinstance(file, bytes) else file
    start = source.piece(0, _SIGNATURE_BYTES)
    container = container_of(start)
    if container is None:
        raise _format_error(start)
    kind, read = _READERS[container]
    reader = Reader(source, kind)
    try:
        header = read(reader)
    except (struct.error, OverflowError) as error:
        raise reader.damaged(str(error)) from error
    if header.width < 1 or header.height < 1:
        raise reader.damaged(f"it gives a size of {header.width} x {header.height} pixels")
    return header


def _format_error(start: bytes) -> HeaderError:
    rejected = rejected_format(start)
    if rejected is not None:
        return KindNotSupported(f"is {rejected}, which is not supported; photos may be {SUPPORTED}")
    if not start:
        return NotAPhoto("is empty; upload the photo again")
    return NotAPhoto(f"is not an image: its first bytes match no image format; photos may be {SUPPORTED}")
