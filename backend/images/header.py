"""Read an uploaded photo's header: format by content, size, orientation and capture time. No pixels are decoded."""

from __future__ import annotations

import io
import struct
import warnings
from typing import NamedTuple

import pi_heif
from msgspec import Struct
from PIL import ExifTags, Image, UnidentifiedImageError

from backend.http.errors import UnprocessableEntity, UnsupportedMediaType
from contract.image_header.dates import date_taken
from contract.image_header.raw import embedded_photo, read_camera_raw
from contract.messages.processing import Orientation, orientation_of

EXTENSIONS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
PILLOW_FORMATS = [name for name in EXTENSIONS if name not in ("HEIF", "GIF")]
FORMAT_NAMES = "JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC or camera raw"
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}

# Our own limits apply. Pillow's would raise in the middle of a header.
Image.MAX_IMAGE_PIXELS = None


class UploadHeader(Struct, frozen=True):
    """The header of an upload.

    Attributes:
        extension: File extension with its dot.
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        orientation: Orientation of the upright picture.
        captured_at: When the photo was taken, by the camera's clock, in seconds since the Unix epoch as if that clock
            showed UTC.
    """

    extension: str
    width: int
    height: int
    orientation: Orientation
    captured_at: float | None = None


class _Stored(NamedTuple):
    """The picture as it is stored, before its EXIF orientation is applied."""

    format: str
    width: int
    height: int
    swaps_sides: bool = False
    progressive: bool = False
    captured_at: float | None = None


def read_upload_header(data: bytes, filename: str, *, max_pixels: int, max_progressive_pixels: int) -> UploadHeader:
    """Return the header of an upload.

    Args:
        data: The complete file.
        filename: Used in error messages. Its extension does not matter.
        max_pixels: The pixel limit.
        max_progressive_pixels: The pixel limit of progressive JPEGs, which need more memory to decode.

    Raises:
        UnsupportedMediaType: The file is not a photo of a known format, or its header is invalid.
        UnprocessableEntity: The photo has too many pixels.
    """
    raw = read_camera_raw(data)
    if raw is not None and not raw.is_usable:
        raise UnsupportedMediaType(f"{filename}: {raw.rejection}; export it as JPEG")
    stored = _read(data if raw is None else embedded_photo(data, raw), filename)
    width, height = stored.width, stored.height
    if width < 1 or height < 1:
        raise UnsupportedMediaType(f"{filename}: its header gives a size of {width}x{height} pixels")
    limit = max_progressive_pixels if stored.progressive else max_pixels
    if width * height > limit:
        shape = "progressive picture" if stored.progressive else "picture"
        raise UnprocessableEntity(
            f"{filename}: {width}x{height} is {width * height / 1e6:.0f} megapixels; "
            f"a {shape} may have {limit / 1e6:.0f}"
        )
    if stored.swaps_sides:
        width, height = height, width
    extension = EXTENSIONS[stored.format] if raw is None else raw.kind.extension
    return UploadHeader(extension, width, height, orientation_of(width, height), stored.captured_at)


def _read(data: bytes, filename: str) -> _Stored:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and b"avif" not in data[8:64]:
        try:
            # pi-heif applies the container's rotation, so this is the size of the upright picture.
            heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
            width, height = heif.size
        except Exception as error:  # pi-heif documents no errors of its own
            raise UnsupportedMediaType(f"{filename}: invalid HEIC file: {error}") from error
        return _Stored("HEIF", width, height, captured_at=date_taken(heif.info.get("exif") or b""))
    if data.startswith(_GIF_SIGNATURES):
        try:
            return _Stored("GIF", *gif_size(data))
        except ValueError as error:
            raise UnsupportedMediaType(f"{filename}: invalid GIF file: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=PILLOW_FORMATS) as image:
                # MPO is Pillow's name for a JPEG followed by a preview or a second view, which many cameras write.
                format_name = "JPEG" if image.format == "MPO" else image.format or ""
                return _Stored(
                    format_name,
                    image.width,
                    image.height,
                    # For TIFF, Pillow returns the size of the upright picture.
                    swaps_sides=format_name != "TIFF" and _exif_orientation(image) >= 5,
                    progressive=format_name == "JPEG" and "progressive" in image.info,
                    captured_at=date_taken(data if format_name == "TIFF" else image.info.get("exif") or b""),
                )
    except UnidentifiedImageError:
        raise UnsupportedMediaType(f"{filename}: this is not a {FORMAT_NAMES} file") from None
    except Exception as error:  # Pillow's parsers raise nearly any type of exception on a hostile header
        raise UnsupportedMediaType(f"{filename}: its header cannot be read: {error}") from error


def _exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8. It is 1 where it is missing or the EXIF data are broken.

    Pillow's `getexif` is not used: it decodes a complete PNG to find EXIF data after the pixels.
    It also reads XMP data as EXIF, which the renderer does not.
    """
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - broken EXIF data are no reason to reject a photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


_GIF_SIGNATURES = (b"GIF87a", b"GIF89a")
_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = 0x21, 0x2C, 0x3B
_GIF_SCREEN_END = 13
_MAX_GIF_START = 1 << 20
"""Bytes that are searched for the first frame. Comments in front of it count."""


def gif_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) of a GIF's canvas: the logical screen, enlarged to the first frame.

    Pillow is not used: it allocates the pixels of the first frame before it returns a size.
    Source: the GIF89a specification, sections 18 to 20 and 23 to 26.

    Raises:
        ValueError: `data` is not a GIF with a frame.
    """
    if not data.startswith(_GIF_SIGNATURES):
        raise ValueError("it has no GIF signature")
    start = data[:_MAX_GIF_START]
    try:
        width, height, flags = struct.unpack_from("<HHB", start, 6)
        position = _GIF_SCREEN_END + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)  # after the global colour table
        while (block := start[position]) != _GIF_IMAGE:
            if block == _GIF_TRAILER:
                raise ValueError("it has no frame")
            if block == _GIF_EXTENSION:
                position += 2
                while size := start[position]:
                    position += 1 + size
            position += 1  # also skips an unknown byte: some programs write one too many between blocks
        left, top, frame_width, frame_height, _ = struct.unpack_from("<HHHHB", start, position + 1)
    except (struct.error, IndexError):
        raise ValueError("no frame was found before the end of the file or the search limit of 1 MiB") from None
    return max(width, left + frame_width), max(height, top + frame_height)
