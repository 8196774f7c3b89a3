"""JPEG and PNG decoded from a download that ends early, without a verified checksum."""

from __future__ import annotations

from collections.abc import Sequence

from processor.codecs.download_buffer import DownloadBuffer, DownloadFailed
from processor.errors import RenderError
from processor.render.decode import decode
from processor.render.header import read_header
from processor.render.limits import Limits
from tests.fuzz.sentences import NAME, check_message
from tests.hostile import mutations

SMALL = Limits(max_pixels=1_000_000, max_progressive_pixels=1_000_000)


def seeds() -> Sequence[bytes]:
    return [data for name, data in mutations.good() if name.endswith((".jpg", ".png"))]


def check(data: bytes) -> None:
    download = DownloadBuffer(len(data))
    download.write(data)
    download.end(complete=False)
    try:
        header = read_header(download, NAME, SMALL)
        shrink = 2 if header.loader == "jpeg" else 4
        decoded = decode(download, header, shrink, NAME)
    except DownloadFailed:
        return  # other formats need the whole file
    except RenderError as error:
        check_message(error)
        return
    assert header.loader in ("jpeg", "png"), "other formats need the whole file"
    height, width, bands = decoded.pixels.shape
    assert bands == 3
    assert abs(width - header.width / shrink) <= 1
    assert abs(height - header.height / shrink) <= 1
