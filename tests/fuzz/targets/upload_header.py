"""The header check of every upload in the backend, by Pillow and pi-heif."""

from __future__ import annotations

from collections.abc import Sequence

from backend.http.errors import UnprocessableEntity, UnsupportedMediaType
from backend.images.header import EXTENSIONS, read_upload_header
from contract.image_header import raw
from tests.fuzz.sentences import NAME, check_message
from tests.fuzz.targets import heif, photo_header

MAX_PIXELS = 100_000_000


def seeds() -> Sequence[bytes]:
    return [*photo_header.seeds(), *heif.seeds()]


def check(data: bytes) -> None:
    try:
        header = read_upload_header(data, NAME, max_pixels=MAX_PIXELS, max_progressive_pixels=MAX_PIXELS // 2)
    except (UnsupportedMediaType, UnprocessableEntity) as error:
        check_message(error, start=f"{NAME}: ", end="")
        return
    assert header.extension in {*EXTENSIONS.values(), *raw.EXTENSIONS, raw.OTHER.extension}
    assert 1 <= header.width * header.height <= MAX_PIXELS
    assert header.captured_at is None or -5e9 < header.captured_at < 1e10
