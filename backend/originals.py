"""An original on its way into the database: what it is by its header, and its row as a new image."""

from __future__ import annotations

from typing import Any

from backend.image_header import UploadHeader, read_upload_header
from backend.settings import Settings


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
