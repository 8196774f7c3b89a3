"""Recognise camera raw files by their content, and find the largest JPEG that the camera embedded in them.

Sensor data are never decoded. The embedded JPEG is the camera's own rendering, and both programs read nothing else.
Formats: TIFF 6.0 with SubIFDs and maker notes (DNG 1.7, NEF, CR2, ARW, ORF, RW2, PEF), RAF, and CR3 (ISO/IEC 14496-12).
Tags of makers are those that https://exiftool.org/TagNames/ lists.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from contract.image_header.dates import date_in
from contract.image_header.directories import (
    EMPTY,
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    INTEROP_DIRECTORY,
    MAX_DIRECTORIES,
    SUB_DIRECTORIES,
    Directory,
    DirectoryReader,
)

MIN_SIDE = 1920
"""Pixels that the long side of an embedded JPEG needs: the long side of the largest usual screen."""
FIRST_BYTES = 16
"""Bytes from which `may_be_raw` decides."""
MAX_SEGMENTS = 100
MAX_BOXES = 200


class RawKind(NamedTuple):
    """A format of camera raw files: its name for messages, and the extension of its files."""

    name: str
    extension: str


DNG, NEF = RawKind("Adobe DNG", ".dng"), RawKind("Nikon NEF", ".nef")
CR2, CR3 = RawKind("Canon CR2", ".cr2"), RawKind("Canon CR3", ".cr3")
ARW, ORF = RawKind("Sony ARW", ".arw"), RawKind("Olympus ORF", ".orf")
RW2, RAF = RawKind("Panasonic RW2", ".rw2"), RawKind("Fujifilm RAF", ".raf")
PEF, OTHER = RawKind("Pentax PEF", ".pef"), RawKind("unknown maker", ".raw")
KINDS = (DNG, NEF, CR2, CR3, ARW, ORF, RW2, RAF, PEF, OTHER)
EXTENSIONS = frozenset(kind.extension for kind in KINDS) - {OTHER.extension}

_BY_SIGNATURE = (
    (b"FUJIFILMCCD-RAW ", 0, RAF),
    (b"ftypcrx ", 4, CR3),
    (b"IIRO", 0, ORF),
    (b"IIRS", 0, ORF),
    (b"MMOR", 0, ORF),
    (b"IIU\0", 0, RW2),
    (b"FOVb", 0, RawKind("Sigma X3F", ".x3f")),
    (b"\0MRM", 0, RawKind("Minolta MRW", ".mrw")),
    (b"HEAPCCDR", 6, RawKind("Canon CRW", ".crw")),
)
_BY_MAKER = (
    ("NIKON", NEF), ("SONY", ARW), ("PENTAX", PEF), ("RICOH", PEF), ("CANON", CR2), ("OLYMPUS", ORF),
    ("PANASONIC", RW2), ("SAMSUNG", OTHER), ("HASSELBLAD", OTHER), ("PHASE ONE", OTHER), ("LEICA", OTHER),
    ("KODAK", OTHER), ("EASTMAN KODAK", OTHER), ("SEIKO EPSON", OTHER), ("LEAF", OTHER), ("MAMIYA", OTHER),
)  # fmt: skip
_TIFF_STARTS = (b"II*\0", b"MM\0*")

_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, ORIENTATION = 0x00FE, 0x0103, 0x0106, 0x010F, 0x0112
_STRIPS, _STRIP_SIZES, _JPEG_START, _JPEG_SIZE = 0x0111, 0x0117, 0x0201, 0x0202
_PANASONIC_JPEG, _DNG_VERSION, _MAKER_NOTE, COLOUR_SPACE = 0x002E, 0xC612, 0x927C, 0xA001
_SENSOR_PHOTOMETRICS = (32803, 34892)
"""Colour filter array, and linear sensor data (TIFF/EP, and DNG 1.7, chapter 4)."""
_SENSOR_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
"""Compressions that only makers of cameras use: Sony, Epson, Samsung, Nikon, Kodak, Pentax."""
_JPEG_COMPRESSIONS = (6, 7)
ADOBE_RGB = (65535, "R03")
"""ColorSpace and InteroperabilityIndex that declare Adobe RGB (DCF 2.0, 3.4.2)."""


class EmbeddedJpeg(NamedTuple):
    """A JPEG file inside another file: its position and length in bytes, and its size in pixels, as stored."""

    start: int
    length: int
    width: int
    height: int


class CameraRaw(NamedTuple):
    """A camera raw file.

    Attributes:
        kind: Its format.
        jpeg: The largest JPEG that is embedded, or None.
        orientation: EXIF orientation, 1 to 8; 0 if the file has none outside of the JPEG.
        taken: When the photo was taken, as `dates.date_taken` returns it.
        adobe_rgb: Whether the JPEG is in Adobe RGB by the EXIF data of the raw file.
    """

    kind: RawKind
    jpeg: EmbeddedJpeg | None
    orientation: int = 0
    taken: float | None = None
    adobe_rgb: bool = False

    @property
    def is_usable(self) -> bool:
        """True if the embedded JPEG is large enough to be shown instead of the sensor data."""
        return self.jpeg is not None and max(self.jpeg.width, self.jpeg.height) >= MIN_SIDE

    @property
    def rejection(self) -> str:
        """The rest of the sentence "NAME ..." that gives the reason of the rejection."""
        largest = f" (its largest has {self.jpeg.width} x {self.jpeg.height})" if self.jpeg is not None else ""
        return (
            f"is a camera raw file ({self.kind.name}) without an embedded JPEG of at least {MIN_SIDE} pixels{largest}, "
            "which is not supported"
        )


def may_be_raw(start: bytes) -> bool:
    """Return False if a file with these first bytes is certainly no camera raw file. TIFF files may be one."""
    return start.startswith(_TIFF_STARTS) or any(
        start[offset : offset + len(signature)] == signature for signature, offset, _ in _BY_SIGNATURE
    )


def read_camera_raw(data: bytes) -> CameraRaw | None:
    """Return the facts of a camera raw file, or None for any other file. Never raises.

    A file that is cut off is recognised by the part that is there, if that contains its first directories.
    """
    if not may_be_raw(data[:FIRST_BYTES]):
        return None
    kind = next((kind for mark, offset, kind in _BY_SIGNATURE if data[offset : offset + len(mark)] == mark), None)
    if kind is RAF:
        return _read_raf(data)
    if kind is CR3:
        return _read_cr3(data)
    try:
        reader = DirectoryReader(data)
    except ValueError:
        return None if kind is None else CameraRaw(kind, None)
    if data[8:11] == b"CR\x02":
        kind = CR2
    return _read_tiff(reader, kind)


def _read_raf(data: bytes) -> CameraRaw:
    """Read the offset and size of the JPEG in the header. Its own EXIF data have date and orientation."""
    place = struct.unpack_from(">II", data, 84) if len(data) >= 92 else (0, 0)
    return CameraRaw(RAF, _largest(data, [place]))


def _read_tiff(reader: DirectoryReader, kind: RawKind | None) -> CameraRaw | None:
    chain = list(reader.chain(reader.first))
    main = chain[0] if chain else EMPTY
    below = [reader.directory(offset) for parent in chain for offset in reader.numbers(parent, SUB_DIRECTORIES)][
        :MAX_DIRECTORIES
    ]
    exif = reader.below(main, EXIF_DIRECTORY)
    kind = kind or _kind_of(reader, main, [*chain, *below])
    if kind is None:
        return None
    places = [place for found in (*chain, *below) for place in _places_in(reader, found)]
    places += _places_in_maker_note(reader, exif)
    interop = reader.text(reader.below(exif, INTEROP_DIRECTORY), 1)
    orientation = reader.number(main, ORIENTATION)
    return CameraRaw(
        kind,
        _largest(reader.data, places),
        orientation if 1 <= orientation <= 8 else 0,
        date_in((reader, main), (reader, exif), (reader, reader.below(main, GPS_DIRECTORY))),
        (reader.number(exif, COLOUR_SPACE), interop) == ADOBE_RGB,
    )


def _kind_of(reader: DirectoryReader, main: Directory, found: list[Directory]) -> RawKind | None:
    """Return the kind of a file that begins like TIFF, or None for a TIFF file.

    It is raw if a directory has sensor data. It is raw as well if a camera's maker wrote a reduced first page, with the
    photo below it; TIFF files of the same maker's programs begin with the photo.
    """
    if _DNG_VERSION in main.fields:
        return DNG
    maker = reader.text(main, _MAKE).upper()
    kind = next((kind for name, kind in _BY_MAKER if maker.startswith(name)), None)
    sensor = any(
        reader.number(directory, _PHOTOMETRIC) in _SENSOR_PHOTOMETRICS
        or reader.number(directory, _COMPRESSION) in _SENSOR_COMPRESSIONS
        for directory in found
    )
    reduced_first = reader.number(main, _SUBFILE) & 1 and SUB_DIRECTORIES in main.fields
    if sensor:
        return kind or OTHER
    return kind if reduced_first else None


Place = tuple[int, int]
"""Position and length in bytes of what may be a JPEG file."""


def _places_in(reader: DirectoryReader, found: Directory) -> Iterator[Place]:
    sensor = reader.number(found, _PHOTOMETRIC) in _SENSOR_PHOTOMETRICS
    if start := reader.number(found, _JPEG_START):
        yield reader.base + start, reader.number(found, _JPEG_SIZE)
    strips = reader.numbers(found, _STRIPS)
    if len(strips) == 1 and not sensor and reader.number(found, _COMPRESSION) in _JPEG_COMPRESSIONS:
        yield reader.base + strips[0], reader.number(found, _STRIP_SIZES)
    if (field := found.fields.get(_PANASONIC_JPEG)) is not None:
        yield field.position, field.length


def _places_in_maker_note(reader: DirectoryReader, exif: Directory) -> Iterator[Place]:
    """Yield what Nikon, Olympus and Sony keep in their maker notes. Each begins with the maker's name."""
    field = exif.fields.get(_MAKER_NOTE)
    if field is None or field.position < 0:
        return
    data, at = reader.data, field.position
    name = bytes(data[at : at + 16])
    if name.startswith(b"Nikon\0"):
        try:
            note = DirectoryReader(data, at + 10)
        except ValueError:
            return
        yield from _places_in(note, note.below(note.directory(note.first), 0x0011))
    elif name.startswith((b"OLYMPUS\0", b"OM SYSTEM\0", b"OLYMP\0")):
        head = 16 if name.startswith(b"OM") else 12 if name.startswith(b"OLYMPUS") else 8
        base = at if head > 8 else reader.base
        note = DirectoryReader(data, at, order=reader.order, base=base)
        main = note.directory(at + head - base)
        inside = main.fields.get(0x2020)
        settings = note.below(main, 0x2020)
        if inside is not None and inside.kind == 7:  # the directory itself, and not its offset
            settings = note.directory(inside.position - base)
        yield base + note.number(settings, 0x0101), note.number(settings, 0x0102)
    elif name.startswith(b"SONY"):
        note = DirectoryReader(data, reader.base, order=reader.order)
        preview = note.directory(at + 12 - reader.base).fields.get(0x2001)
        if preview is not None:
            yield preview.position, preview.length


def _read_cr3(data: bytes) -> CameraRaw:
    places: list[Place] = []
    parts: dict[bytes, tuple[DirectoryReader, Directory]] = {}
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"uuid":  # 16 bytes of id, and 8 of a version, before the box of the preview
            for inner, inner_start, inner_end in _boxes(data, start + 24, end):
                if inner == b"PRVW":
                    places.append((inner_start + 16, inner_end - inner_start - 16))
        elif kind == b"moov":
            for inner, inner_start, inner_end in _boxes(data, start, end):
                if inner == b"uuid":
                    parts.update(_cr3_metadata(data, inner_start + 16, inner_end))
                elif inner == b"trak":
                    places += _cr3_track(data, inner_start, inner_end)
    nothing = (DirectoryReader(data, order="<"), EMPTY)
    main, exif, gps = (parts.get(name, nothing) for name in (b"CMT1", b"CMT2", b"CMT4"))
    orientation = main[0].number(main[1], ORIENTATION)
    interop = exif[0].text(exif[0].below(exif[1], INTEROP_DIRECTORY), 1)
    return CameraRaw(
        CR3,
        _largest(data, places),
        orientation if 1 <= orientation <= 8 else 0,
        date_in(main, exif, gps),
        (exif[0].number(exif[1], COLOUR_SPACE), interop) == ADOBE_RGB,
    )


def _cr3_metadata(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[DirectoryReader, Directory]]]:
    """Yield the first directory of each TIFF structure in the metadata, by the name of its box."""
    for kind, inner, _ in _boxes(data, start, end):
        if kind.startswith(b"CMT"):
            try:
                reader = DirectoryReader(data, inner)
            except ValueError:
                continue
            yield kind, (reader, reader.directory(reader.first))


def _cr3_track(data: bytes, start: int, end: int) -> list[Place]:
    """Return the place of a track's first sample, which is a JPEG file in one of the tracks."""
    spans = {b"trak": (start, end)}
    for parent, child in ((b"trak", b"mdia"), (b"mdia", b"minf"), (b"minf", b"stbl")):
        found = {kind: (inner, inner_end) for kind, inner, inner_end in _boxes(data, *spans[parent])}
        if child not in found:
            return []
        spans[child] = found[child]
    table = {kind: inner for kind, inner, _ in _boxes(data, *spans[b"stbl"])}
    try:
        size, count = struct.unpack_from(">II", data, table[b"stsz"] + 4)
        if not size and count:
            (size,) = struct.unpack_from(">I", data, table[b"stsz"] + 12)
        code = (b"co64", ">Q") if b"co64" in table else (b"stco", ">I")
        (offset,) = struct.unpack_from(code[1], data, table[code[0]] + 8)
    except (struct.error, KeyError):
        return []
    return [(offset, size)]


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the content of each box (ISO/IEC 14496-12, 4.2), at most `MAX_BOXES`."""
    for _ in range(MAX_BOXES):
        if start + 8 > min(end, len(data)):
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= len(data):
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield kind, start + head, min(start + size, end)
        start += size


def _largest(data: bytes, places: list[Place]) -> EmbeddedJpeg | None:
    """Return the JPEG file with the most pixels. One that is cut off counts, so that it is found to be damaged."""
    best: EmbeddedJpeg | None = None
    for start, length in dict.fromkeys(places):
        if not 0 < start < len(data) or length < 4:
            continue
        end = min(start + length, len(data))
        size = _jpeg_size(data, start, end)
        if size is not None and (best is None or size[0] * size[1] > best.width * best.height):
            best = EmbeddedJpeg(start, end - start, *size)
    return best


def _jpeg_size(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Return (width, height) of a baseline, extended or progressive JPEG of 8 bits in grey or colour, else None.

    Sensor data are often stored as lossless JPEG (SOF3), which is no picture.
    """
    for at, mark, segment_end in jpeg_segments(data, start, end):
        if mark in (0xC0, 0xC1, 0xC2) and segment_end - at >= 10:
            precision, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            return (width, height) if precision == 8 and components in (1, 3) and width and height else None
        if 0xC3 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return None
    return None


def jpeg_segments(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield position, marker and end of the segments before the first scan of a JPEG (ITU-T T.81, B.1.1)."""
    if data[start : start + 2] != b"\xff\xd8":
        return
    at = start + 2
    for _ in range(MAX_SEGMENTS):
        if at + 4 > end or data[at] != 0xFF or data[at + 1] in (0xDA, 0xD9):
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > end:
            return
        yield at, data[at + 1], at + 2 + length
        at += 2 + length
