"""Make a photo of its own from the JPEG that is embedded in a camera raw file."""

from __future__ import annotations

import struct

from contract.image_header.dates import date_in, moment_text
from contract.image_header.directories import (
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    INTEROP_DIRECTORY,
    DirectoryReader,
)
from contract.image_header.raw import ADOBE_RGB, COLOUR_SPACE, ORIENTATION, CameraRaw, jpeg_segments


def embedded_photo(data: bytes, raw: CameraRaw) -> bytes:
    """Return the embedded JPEG as a photo of its own, with the date, orientation and colour space of the raw file.

    The EXIF data of the JPEG itself count where the raw file has none. They are replaced, because two orientations in
    one photo would be two truths. Raises ValueError if there is no embedded JPEG.
    """
    if raw.jpeg is None:
        raise ValueError("the camera raw file has no embedded JPEG")
    jpeg = data[raw.jpeg.start : raw.jpeg.start + raw.jpeg.length]
    segments = [(start, mark, jpeg[start + 4 : end]) for start, mark, end in jpeg_segments(jpeg, 0, len(jpeg))]
    own = next((body[6:] for _, mark, body in segments if mark == 0xE1 and body[:6] == b"Exif\0\0"), b"")
    orientation, taken, adobe_rgb = _exif_facts(own)
    exif = _exif(raw.orientation or orientation, taken if raw.taken is None else raw.taken, raw.adobe_rgb or adobe_rgb)
    parts = [jpeg[:2], struct.pack(">HH", 0xFFE1, len(exif) + 2), exif]
    end = 2
    for start, mark, body in segments:
        if mark != 0xE1 and body[:4] != b"MPF\0":  # EXIF, XMP and the index of further pictures no longer apply
            parts.append(jpeg[end : start + 4 + len(body)])
        end = start + 4 + len(body)
    return b"".join([*parts, jpeg[end:]])


def _exif_facts(exif: bytes) -> tuple[int, float | None, bool]:
    """Return orientation, date and whether Adobe RGB is declared, from EXIF data."""
    try:
        reader = DirectoryReader(exif)
    except ValueError:
        return 1, None, False
    main = reader.directory(reader.first)
    detail = reader.below(main, EXIF_DIRECTORY)
    orientation = reader.number(main, ORIENTATION, 1)
    interop = reader.text(reader.below(detail, INTEROP_DIRECTORY), 1)
    return (
        orientation if 1 <= orientation <= 8 else 1,
        date_in((reader, main), (reader, detail), (reader, reader.below(main, GPS_DIRECTORY))),
        (reader.number(detail, COLOUR_SPACE), interop) == ADOBE_RGB,
    )


def _exif(orientation: int, taken: float | None, adobe_rgb: bool) -> bytes:
    """Return EXIF data with these three facts, in big-endian order (EXIF 2.32, 4.6)."""
    detail: list[tuple[int, int, int, bytes]] = []
    if taken is not None:
        detail.append((0x9003, 2, 20, moment_text(taken)))
    if adobe_rgb:
        detail.append((COLOUR_SPACE, 3, 1, struct.pack(">HH", 65535, 0)))
        detail.append((INTEROP_DIRECTORY, 4, 1, b""))
    main: list[tuple[int, int, int, bytes]] = [(ORIENTATION, 3, 1, struct.pack(">HH", orientation, 0))]
    if detail:
        main.append((EXIF_DIRECTORY, 4, 1, struct.pack(">I", 8 + 2 + 2 * 12 + 4)))
    blob = b"MM\0*\0\0\0\x08" + _directory(main, 0)
    if detail:
        end = len(blob) + 2 + 12 * len(detail) + 4
        texts = sum(len(value) for *_, value in detail if len(value) > 4)
        detail = [(tag, kind, count, value or struct.pack(">I", end + texts)) for tag, kind, count, value in detail]
        blob += _directory(detail, end)
        if adobe_rgb:
            blob += _directory([(1, 2, 4, b"R03\0")], 0)
    return b"Exif\0\0" + blob


def _directory(fields: list[tuple[int, int, int, bytes]], end: int) -> bytes:
    """Return a directory of (tag, type, count, value), whose longer values follow it at offset `end`."""
    entries, texts = b"", b""
    for tag, kind, count, value in fields:
        entry = value
        if len(value) > 4:
            entry = struct.pack(">I", end + len(texts))
            texts += value
        entries += struct.pack(">HHI", tag, kind, count) + entry
    return struct.pack(">H", len(fields)) + entries + b"\0\0\0\0" + texts
