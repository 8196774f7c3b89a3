"""What an upload is: the backend's look at the header, by Pillow and pi-heif, of everything that anybody sends."""

from __future__ import annotations

from collections.abc import Sequence

from backend.http.errors import UnprocessableEntity, UnsupportedMediaType
from backend.images.header import EXTENSIONS, read_upload_header
from fuzz.sentences import NAME, spoken
from fuzz.targets import heif, photo_header

MOST = 100_000_000


def seeds() -> Sequence[bytes]:
    return [*photo_header.seeds(), *heif.seeds()]


def check(data: bytes) -> None:
    try:
        header = read_upload_header(data, NAME, max_pixels=MOST, max_progressive_pixels=MOST // 2)
    except (UnsupportedMediaType, UnprocessableEntity) as refusal:
        spoken(refusal, start=f"{NAME}: ", end="")
        return
    assert header.extension in EXTENSIONS.values()
    assert 1 <= header.width * header.height <= MOST
    assert header.captured_at is None or -5e9 < header.captured_at < 1e10
