"""JPEG XL is rejected by its name in both programs, with every kind of content."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from backend.http.errors import UnsupportedMediaType
from backend.images.header import read_upload_header
from processor.errors import NotAllowed
from processor.render.pipeline import render_image
from slideshow.photos.files import find_photos
from tests.support.pictures import ONE, encoded, smooth

PIXELS = smooth(64, 48)
FILES = {
    "lossy bit stream": lambda: imagecodecs.jpegxl_encode(PIXELS, level=80, usecontainer=False),
    "lossless in a container": lambda: imagecodecs.jpegxl_encode(PIXELS, lossless=True, usecontainer=True),
    "grey": lambda: imagecodecs.jpegxl_encode(np.ascontiguousarray(PIXELS[:, :, 0])),
    "16 bits with alpha": lambda: imagecodecs.jpegxl_encode(np.full((48, 64, 4), 40_000, np.uint16)),
    "a JPEG file that was recompressed": lambda: imagecodecs.jpegxl_encode_jpeg(encoded(PIXELS)),
}


@pytest.mark.parametrize("kind", FILES)
def test_jpeg_xl_is_rejected_by_name(kind: str, tmp_path: Path) -> None:
    data = FILES[kind]()
    assert imagecodecs.jpegxl_check(data), "the decoder accepts it"
    with pytest.raises(UnsupportedMediaType, match=r"^a\.jxl: this is a JPEG XL image, which is not supported"):
        read_upload_header(data, "a.jxl", max_pixels=10**6, max_progressive_pixels=10**6)
    with pytest.raises(NotAllowed, match="is a JPEG XL image, which is not supported"):
        render_image(data, ONE, name="a.jxl")
    (tmp_path / "a.jxl").write_bytes(data)
    assert [file.name for file in find_photos([tmp_path]).files] == ["a.jxl"]
