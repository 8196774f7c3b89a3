"""An original on its way into the database: what it is by its header, and its row as a new image."""

from __future__ import annotations

import io
import warnings
from datetime import UTC, datetime
from typing import Any

import pi_heif
from msgspec import Struct
from PIL import ExifTags, Image, UnidentifiedImageError

from backend.http.errors import UnprocessableEntity, UnsupportedMediaType
from backend.images import gif_header
from backend.settings import Settings
from contract.messages.processing import Orientation, orientation_of


def header_of(data: bytes, filename: str, settings: Settings) -> UploadHeader:
    """What the file is, within the pixels that the settings allow. Raises Refused."""
    return read_upload_header(
        data,
        filename,
        max_pixels=settings.max_megapixels * 1_000_000,
        max_progressive_pixels=settings.max_progressive_megapixels * 1_000_000,
    )


def new_row(
    image_id: str, header: UploadHeader, *, uri: str, file_hash: str, filename: str, size: int, ingested_at: float
) -> dict[str, Any]:
    """What `database.images.add` takes; `size` in bytes, `ingested_at` in seconds since the epoch."""
    return {
        "id": image_id,
        "file_path": uri,
        "file_hash": file_hash,
        "filename": filename,
        "byte_size": size,
        "width": header.width,
        "height": header.height,
        "orientation": header.orientation,
        "ingested_at": ingested_at,
        "captured_at": header.captured_at,
    }


EXTENSIONS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
FORMATS = [kind for kind in EXTENSIONS if kind not in ("HEIF", "GIF")]
"""What Pillow is asked about."""
KINDS = "JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC"
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}

# Our own limits apply, with an answer of ours; Pillow's would raise in the middle of a header.
Image.MAX_IMAGE_PIXELS = None


class UploadHeader(Struct, frozen=True):
    """Extension with its dot, and the size and orientation of the upright picture in pixels.

    `captured_at`: when it was taken, by the camera's own clock, in seconds since the epoch as if that showed UTC.
    """

    extension: str
    width: int
    height: int
    orientation: Orientation
    captured_at: float | None = None


def read_upload_header(data: bytes, filename: str, *, max_pixels: int, max_progressive_pixels: int) -> UploadHeader:
    """What the upload is. Raises UnsupportedMediaType (415) or, for too many pixels, Invalid (422)."""
    kind, width, height, turned, progressive, captured_at = _header(data, filename)
    if width < 1 or height < 1:
        raise UnsupportedMediaType(f"{filename}: its header says {width}x{height} pixels, so there is no picture in it")
    limit = max_progressive_pixels if progressive else max_pixels
    if width * height > limit:
        shape = "progressive picture" if progressive else "picture"
        raise UnprocessableEntity(
            f"{filename}: {width}x{height} is {width * height / 1e6:.0f} megapixels; "
            f"a {shape} may have {limit / 1e6:.0f}"
        )
    if turned:
        width, height = height, width
    return UploadHeader(EXTENSIONS[kind], width, height, orientation_of(width, height), captured_at)


def _header(data: bytes, filename: str) -> tuple[str, int, int, bool, bool, float | None]:
    """(kind, stored width, stored height, whether upright swaps them, whether a progressive JPEG, when taken)."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and b"avif" not in data[8:64]:
        try:
            # The size is that of the upright picture: the container's own turns are part of it.
            found = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
            width, height = found.size
        except Exception as error:  # pi-heif names no errors of its own
            raise UnsupportedMediaType(
                f"{filename}: it begins like a HEIC picture but cannot be read: {error}"
            ) from error
        return "HEIF", width, height, False, False, captured_at(found.info.get("exif"))
    if data.startswith(gif_header.STARTS):
        try:
            width, height = gif_header.gif_size(data)
        except ValueError as error:
            raise UnsupportedMediaType(f"{filename}: it begins like a GIF, but {error}") from error
        return "GIF", width, height, False, False, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                # Pillow's name for a JPEG with a preview or a second view behind it, as many cameras write.
                kind = "JPEG" if image.format == "MPO" else image.format or ""
                # The size that Pillow gives of a TIFF is that of the upright picture.
                turned = kind != "TIFF" and _exif_orientation(image) >= 5
                progressive = kind == "JPEG" and "progressive" in image.info
                taken = captured_at(image.info.get("exif"))
                return kind, image.width, image.height, turned, progressive, taken
    except UnidentifiedImageError:
        raise UnsupportedMediaType(f"{filename}: this is not a {KINDS} picture") from None
    except Exception as error:  # hostile headers raise nearly anything in a parser
        raise UnsupportedMediaType(f"{filename}: its header cannot be read: {error}") from error


def _exif_orientation(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 where there is none or the EXIF data are broken.

    Not by Pillow's `getexif`: it decodes a whole PNG to look for EXIF data behind the pixels, and
    takes XMP data for EXIF where the renderer does not.
    """
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        found = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - broken EXIF data are no reason to refuse a photo
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def captured_at(exif_data: bytes | None) -> float | None:
    """DateTimeOriginal (EXIF 2.32, tag 0x9003), which has no zone, as if it were UTC; None where there is none.

    Neither are times before photography and after the year 2200, which cameras without a set clock write.
    """
    try:
        exif = Image.Exif()
        exif.load(exif_data or b"")
        text = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
        moment = datetime.strptime(str(text).strip("\x00 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except Exception:  # noqa: BLE001 - broken EXIF data are no reason to refuse a photo
        return None
    return moment.timestamp() if 1826 <= moment.year <= 2200 else None
