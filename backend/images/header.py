"""Read an uploaded photo's header: format by content, size, orientation and capture time. No pixels are decoded."""

from __future__ import annotations

from msgspec import Struct

from backend.http.errors import UnprocessableEntity, UnsupportedMediaType
from contract.image_header.dates import date_taken
from contract.image_header.embedded_jpeg import embedded_photo
from contract.image_header.model import Format, HeaderError
from contract.image_header.raw import read_camera_raw
from contract.image_header.read import SUPPORTED, NotAPhoto, read_image_header
from contract.messages.processing import Orientation, orientation_of

EXTENSIONS: dict[Format, str] = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "gif": ".gif",
    "tiff": ".tif",
    "avif": ".avif",
    "heic": ".heic",
}


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


def read_upload_header(data: bytes, filename: str, *, max_pixels: int, max_progressive_pixels: int) -> UploadHeader:
    """Return the header of an upload, read by the same code as in the task.

    Args:
        data: The complete file.
        filename: Used in error messages. Its extension does not matter.
        max_pixels: The pixel limit.
        max_progressive_pixels: The pixel limit of progressive JPEGs, which need more memory to decode.

    Raises:
        UnsupportedMediaType: The file is not a photo of a known format, its kind is not supported, or its header is
            damaged.
        UnprocessableEntity: The photo has too many pixels.
    """
    raw = read_camera_raw(data)
    if raw is not None and not raw.is_usable:
        raise UnsupportedMediaType(f"{filename}: {raw.rejection}; export it as JPEG")
    if raw is not None:
        data = embedded_photo(data, raw)
    try:
        header = read_image_header(data)
    except NotAPhoto as error:
        raise UnsupportedMediaType(f"{filename}: this is not a {SUPPORTED} file") from error
    except HeaderError as error:
        raise UnsupportedMediaType(f"{filename}: this {error}") from error
    progressive = header.progressive and header.format == "jpeg"
    limit = max_progressive_pixels if progressive else max_pixels
    if header.width * header.height > limit:
        shape = "progressive picture" if progressive else "picture"
        raise UnprocessableEntity(
            f"{filename}: {header.width}x{header.height} is {header.width * header.height / 1e6:.0f} megapixels; "
            f"a {shape} may have {limit / 1e6:.0f}"
        )
    width, height = header.upright_size
    captured = date_taken(data if header.format == "tiff" else header.exif)
    extension = EXTENSIONS[header.format] if raw is None else raw.kind.extension
    return UploadHeader(extension, width, height, orientation_of(width, height), captured)
