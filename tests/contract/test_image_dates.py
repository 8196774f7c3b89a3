"""When a photo was taken: the order of the tags, the forms that cameras and tools write, and every format."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import ExifTags, Image

from backend.images.header import read_upload_header
from contract.image_header.dates import date_taken, parse_moment, parse_offset

TAGS = ExifTags.Base


def exif_of(
    *,
    original: object = None,
    digitized: object = None,
    changed: object = None,
    offset: str | None = None,
    gps: tuple[str, tuple[float, float, float]] | None = None,
    endian: str = "<",
) -> Image.Exif:
    """Return EXIF data written by Pillow, with the tags that are given."""
    made = Image.Exif()
    made.endian = endian
    detail = made.get_ifd(ExifTags.IFD.Exif)
    for tag, value in ((TAGS.DateTimeOriginal, original), (TAGS.DateTimeDigitized, digitized)):
        if value is not None:
            detail[tag] = value
    if offset is not None:
        detail[TAGS.OffsetTimeOriginal] = offset
    if changed is not None:
        made[TAGS.DateTime] = changed
    if gps is not None:
        made.get_ifd(ExifTags.IFD.GPSInfo).update(
            {ExifTags.GPS.GPSDateStamp: gps[0], ExifTags.GPS.GPSTimeStamp: gps[1]}
        )
    return made


def shown(moment: float | None) -> str | None:
    """Return the time as captions show it."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().removesuffix("+00:00")


A, B, C = "2019:06:01 12:30:10", "2020:01:02 03:04:05", "2021:11:12 13:14:15"
UNSET = "0000:00:00 00:00:00"
GPS = ("2018:05:31", (23.0, 30.0, 15.5))


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"original": A, "digitized": B, "changed": C, "gps": GPS}, "2019-06-01T12:30:10"),
        ({"digitized": B, "changed": C, "gps": GPS}, "2020-01-02T03:04:05"),
        ({"changed": C, "gps": GPS}, "2021-11-12T13:14:15"),
        ({"gps": GPS}, "2018-05-31T23:30:15"),
        ({"gps": GPS, "offset": "+02:00"}, "2018-06-01T01:30:15"),
        ({"gps": GPS, "offset": "-03:30"}, "2018-05-31T20:00:15"),
        ({"gps": GPS, "offset": "somewhere"}, "2018-05-31T23:30:15"),
        ({"gps": ("2018:05:31", (77.0, 0.0, 0.0))}, "2018-05-31T00:00:00"),
        ({"original": UNSET, "digitized": "", "changed": C}, "2021-11-12T13:14:15"),
        ({"original": A, "offset": "+02:00"}, "2019-06-01T12:30:10"),
        ({"original": UNSET}, None),
        ({}, None),
    ],
)
def test_date_taken_follows_the_order_of_the_tags(tags: dict[str, Any], endian: str, expected: str | None) -> None:
    data = exif_of(endian=endian, **tags).tobytes()
    assert shown(date_taken(data)) == expected
    assert shown(date_taken(data.removeprefix(b"Exif\0\0"))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025:01:14 18:31:30", "2025-01-14T18:31:30"),
        ("2025:01:14 18:31:30+0000", "2025-01-14T18:31:30"),
        ("2025:01:14 18:31:30+02:00", "2025-01-14T18:31:30"),
        ("2025-01-14 18:31:30", "2025-01-14T18:31:30"),
        ("2025-01-14T18:31:30.123Z", "2025-01-14T18:31:30"),
        ("2025/01/14 18:31:30", "2025-01-14T18:31:30"),
        ("2025:01:14 18:31", "2025-01-14T18:31:00"),
        ("2025:01:14 18.31.30", "2025-01-14T18:31:30"),
        ("2025: 1: 4  8: 5: 3", "2025-01-04T08:05:03"),
        ("2025:01:14", "2025-01-14T00:00:00"),
        ("2025:01:14 24:00:10", "2025-01-15T00:00:10"),
        ("2016:12:31 23:59:60", "2017-01-01T00:00:00"),
        ("Tue Jan 14 18:31:30 2025", "2025-01-14T18:31:30"),
        ("  2025:01:14 18:31:30 ", "2025-01-14T18:31:30"),
        ("0000:00:00 00:00:00", None),
        ("2025:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2025:02:30 10:00:00", None),
        ("2025:01:14 18:61:30", None),
        ("2025:01:14 25:00:00", None),
        ("1601:01:01 00:00:00", None),
        ("9999:12:31 23:59:59", None),
        ("2025:01:14 18:31:30 and more", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_parse_moment_accepts_what_cameras_and_tools_write(text: str, expected: str | None) -> None:
    moment = parse_moment(text)
    assert (None if moment is None else moment.isoformat().removesuffix("+00:00")) == expected
    data = exif_of(original=text).tobytes()
    assert shown(date_taken(data)) == expected


@pytest.mark.parametrize(
    ("text", "minutes"), [("+02:00", 120), ("-0530", -330), ("Z", 0), ("+99:00", None), ("", None), ("0200", None)]
)
def test_parse_offset(text: str, minutes: int | None) -> None:
    offset = parse_offset(text)
    assert (None if offset is None else offset.total_seconds() / 60) == minutes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"original": A}, "2019-06-01T12:30:10"),
        ({"digitized": "2020-01-02 03:04"}, "2020-01-02T03:04:00"),
        ({"changed": C}, "2021-11-12T13:14:15"),
        ({"gps": GPS, "offset": "+02:00"}, "2018-06-01T01:30:15"),
        ({"original": UNSET}, None),
    ],
)
def test_upload_header_has_the_date_in_every_format(kind: str, tags: dict[str, Any], expected: str | None) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, kind, exif=exif_of(**tags).tobytes())
    header = read_upload_header(buffer.getvalue(), "a", max_pixels=10**6, max_progressive_pixels=10**6)
    assert shown(header.captured_at) == expected
