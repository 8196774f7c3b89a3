"""Camera raw files: the search for the embedded JPEG, and the photo that is made of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from contract.image_header.embedded_jpeg import embedded_photo
from contract.image_header.raw import KINDS, MIN_SIDE, may_be_raw, read_camera_raw
from processor.errors import RenderError
from processor.render.camera_raw import photo_in
from tests.fuzz.sentences import NAME, check_message
from tests.support.pictures import encoded
from tests.support.raw_files import MAKERS

LATEST_SECONDS = 7.3e9
"""The end of the year 2200."""


@functools.cache
def _jpeg() -> bytes:
    return encoded(np.full((8, MIN_SIDE, 3), 120, np.uint8))


def seeds() -> Sequence[bytes]:
    return [make(_jpeg(), 1 + number % 8, adobe_rgb=number % 2 == 0) for number, make in enumerate(MAKERS.values())]


def check(data: bytes) -> None:
    raw = read_camera_raw(data)
    if raw is None:
        assert photo_in(data, NAME) is data
        return
    assert may_be_raw(data[:16])
    assert raw.kind in KINDS or raw.jpeg is None
    assert 0 <= raw.orientation <= 8
    assert raw.taken is None or abs(raw.taken) < LATEST_SECONDS
    if raw.jpeg is not None:
        assert 0 < raw.jpeg.start < raw.jpeg.start + raw.jpeg.length <= len(data)
        assert 1 <= raw.jpeg.width <= 65_535
        assert 1 <= raw.jpeg.height <= 65_535
        photo = embedded_photo(data, raw)
        assert photo[:4] == b"\xff\xd8\xff\xe1"
        assert read_camera_raw(photo) is None
    try:
        photo_in(data, NAME)
    except RenderError as error:
        check_message(error)
        assert not raw.is_usable
