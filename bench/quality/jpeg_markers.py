"""Encoder settings of a JPEG file, read from its markers (ITU-T T.81, annex B), to prove equal work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

_SOF = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_SOS = 0xDA


class NotJpeg(ValueError):
    """The bytes are not a JPEG file, or end before its image data."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """The settings of one file.

    Attributes:
        size: Width and height in pixels.
        process: Baseline, extended or progressive.
        sampling: (horizontal, vertical) factors of each component.
        quantization: The table of each component: 64 numbers in zigzag order.
        huffman: (class and slot, bytes) of each table, by slot.
    """

    size: tuple[int, int]
    process: str
    sampling: tuple[tuple[int, int], ...]
    quantization: tuple[tuple[int, ...], ...]
    huffman: tuple[tuple[int, bytes], ...]


def read_settings(jpeg: bytes) -> EncoderSettings:
    """Return the settings of a file. Raises NotJpeg."""
    tables: dict[int, tuple[int, ...]] = {}
    codes: dict[int, bytes] = {}
    frame: bytes | None = None
    process = ""
    for marker, body in _segments(jpeg):
        if marker == 0xDB:
            tables |= dict(_quantization(body))
        elif marker == 0xC4:
            codes |= dict(_huffman(body))
        elif marker in _SOF:
            frame, process = body, _SOF[marker]
    if frame is None or len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise NotJpeg("there is no complete frame header before the image data")
    components = [frame[6 + 3 * index : 9 + 3 * index] for index in range(frame[5])]
    return EncoderSettings(
        size=(int.from_bytes(frame[3:5]), int.from_bytes(frame[1:3])),
        process=process,
        sampling=tuple((component[1] >> 4, component[1] & 15) for component in components),
        quantization=tuple(tables.get(component[2], ()) for component in components),
        huffman=tuple(sorted(codes.items())),
    )


def differing(first: EncoderSettings, second: EncoderSettings) -> tuple[str, ...]:
    """Return the names of the settings that differ between two files."""
    return tuple(field.name for field in fields(first) if getattr(first, field.name) != getattr(second, field.name))


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, body) of each segment up to the first scan."""
    if jpeg[:2] != b"\xff\xd8":
        raise NotJpeg("the bytes do not begin with a JPEG start marker")
    at = 2
    while at + 4 <= len(jpeg):
        if jpeg[at] != 0xFF:
            raise NotJpeg(f"there is no marker at byte {at}")
        marker = jpeg[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(jpeg[at + 2 : at + 4])
        if length < 2 or at + 2 + length > len(jpeg):
            raise NotJpeg(f"the segment at byte {at} is cut off")
        yield marker, jpeg[at + 4 : at + 2 + length]
        if marker == _SOS:
            return
        at += 2 + length
    raise NotJpeg("the bytes end before the image data")


def _quantization(body: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    at = 0
    while at < len(body):
        wide, slot = body[at] >> 4, body[at] & 15
        step = 2 if wide else 1
        entries = body[at + 1 : at + 1 + 64 * step]
        if len(entries) < 64 * step:
            raise NotJpeg("a quantization table is cut off")
        yield slot, tuple(int.from_bytes(entries[start : start + step]) for start in range(0, 64 * step, step))
        at += 1 + 64 * step


def _huffman(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        counts = body[at + 1 : at + 17]
        end = at + 17 + sum(counts)
        if len(counts) < 16 or end > len(body):
            raise NotJpeg("a Huffman table is cut off")
        yield body[at], body[at + 1 : end]
        at = end
