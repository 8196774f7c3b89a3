"""EXIF data: inside a JPEG, as both programs read it, and on their own, as HEIC decoders return them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from PIL import ExifTags, Image

from backend.images.header import read_upload_header
from contract.image_header.dates import date_taken
from processor.render.header import read_header
from tests.fuzz.sentences import NAME
from tests.support.pictures import encoded, scene

WIDTH, HEIGHT = 24, 16
PLAIN = encoded(scene(WIDTH, HEIGHT))


def seeds() -> Sequence[bytes]:
    seeds = []
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = turn
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"20{10 + turn}:07:14 18:30:05"
        exif.get_ifd(ExifTags.IFD.GPSInfo)[2] = (48.0, 8.0, 30.0)
        exif.endian = "<" if turn % 2 else ">"
        seeds.append(exif.tobytes())
    return seeds


def check(data: bytes) -> None:
    moment = date_taken(data)
    assert moment is None or -5e9 < moment < 1e10
    body = data[: 65_533 - 2]
    photo = PLAIN[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + PLAIN[2:]
    upload = read_upload_header(photo, NAME, max_pixels=1000, max_progressive_pixels=1000)
    assert {upload.width, upload.height} == {WIDTH, HEIGHT}, "a photo is accepted with any EXIF data"
    header = read_header(photo, NAME)
    assert {header.upright_width, header.upright_height} == {WIDTH, HEIGHT}
