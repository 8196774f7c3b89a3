"""Small camera raw files, built here byte by byte: a few sensor values, and the JPEG that is given.

Their structure is that of the makers' files, as far as readers of them need it: LibRaw recognises each of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SHORT, LONG, ASCII, BYTE, UNDEFINED, RATIONAL, SRATIONAL = 3, 4, 2, 1, 7, 5, 10
WIDTH, HEIGHT = 64, 48
"""Size of the sensor in pixels."""
TAKEN = "2022:03:04 05:06:07"

Value = tuple[int, object]
Tags = Mapping[int, Value]


@dataclass
class Tiff:
    """Writes a TIFF structure: directories and blobs, one after the other, in the order in which they are added."""

    order: str = "<"
    magic: bytes = b""
    head: bytes = b""
    base: int = 0
    data: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.data += self.magic or (b"II*\0" if self.order == "<" else b"MM\0*")
        self.data += b"\0\0\0\0" + self.head

    def blob(self, content: bytes) -> int:
        """Append bytes, and return their offset."""
        if len(self.data) % 2:
            self.data += b"\0"
        self.data += content
        return self.base + len(self.data) - len(content)

    def directory(self, tags: Tags, following: int = 0) -> int:
        """Append a directory and its longer values, and return its offset."""
        entries = b""
        for tag, (kind, value) in sorted(tags.items()):
            content, count = self._content(kind, value)
            if len(content) > 4:
                content = struct.pack(self.order + "I", self.blob(content))
            entries += struct.pack(self.order + "HHI", tag, kind, count) + content.ljust(4, b"\0")
        return self.blob(struct.pack(self.order + "H", len(tags)) + entries + struct.pack(self.order + "I", following))

    def _content(self, kind: int, value: object) -> tuple[bytes, int]:
        if isinstance(value, bytes):
            return value, len(value)
        if isinstance(value, str):
            return value.encode() + b"\0", len(value) + 1
        values = value if isinstance(value, tuple) else (value,)
        if kind in (RATIONAL, SRATIONAL):
            code = "II" if kind == RATIONAL else "ii"
            return b"".join(struct.pack(self.order + code, round(v * 1000), 1000) for v in values), len(values)
        code = {SHORT: "H", LONG: "I", BYTE: "B"}[kind]
        return struct.pack(f"{self.order}{len(values)}{code}", *values), len(values)

    def finish(self, first: int) -> bytes:
        """Return the file, whose first directory is at this offset."""
        struct.pack_into(self.order + "I", self.data, 4, first)
        return bytes(self.data)


def sensor(tiff: Tiff, compression: int = 1, **more: int) -> dict[int, Value]:
    """Return the tags of uncompressed sensor values of 16 bits, which are appended to the file."""
    values = b"".join(struct.pack("<H", 500 + (x * 7 + y * 13) % 3000) for y in range(HEIGHT) for x in range(WIDTH))
    return {
        0x00FE: (LONG, 0), 0x0100: (LONG, WIDTH), 0x0101: (LONG, HEIGHT), 0x0102: (SHORT, 16),
        0x0103: (SHORT, compression), 0x0106: (SHORT, 32803), 0x0111: (LONG, tiff.blob(values)), 0x0115: (SHORT, 1),
        0x0116: (LONG, HEIGHT), 0x0117: (LONG, len(values)), 0x828D: (SHORT, (2, 2)),
        0x828E: (BYTE, (0, 1, 1, 2)),
    }  # fmt: skip


def _exif(tiff: Tiff, taken: str | None, adobe_rgb: bool, maker_note: bytes = b"") -> dict[int, Value]:
    tags: dict[int, Value] = {0x829A: (RATIONAL, (0.01,)), 0x8827: (SHORT, 100)}
    if taken is not None:
        tags[0x9003] = (ASCII, taken)
    if maker_note:
        tags[0x927C] = (UNDEFINED, maker_note)
    tags[0xA001] = (SHORT, 65535 if adobe_rgb else 1)
    if adobe_rgb:
        tags[0xA005] = (LONG, tiff.directory({1: (ASCII, "R03")}))
    return {0x8769: (LONG, tiff.directory(tags))}


def _camera(make: str, model: str, orientation: int) -> dict[int, Value]:
    return {0x010F: (ASCII, make), 0x0110: (ASCII, model), 0x0112: (SHORT, orientation)}


def _strip(tiff: Tiff, jpeg: bytes, compression: int) -> dict[int, Value]:
    place = tiff.blob(jpeg)
    return {0x0103: (SHORT, compression), 0x0111: (LONG, place), 0x0117: (LONG, len(jpeg))}


def _preview(tiff: Tiff, jpeg: bytes) -> dict[int, Value]:
    return {0x00FE: (LONG, 1), 0x0103: (SHORT, 6), 0x0201: (LONG, tiff.blob(jpeg)), 0x0202: (LONG, len(jpeg))}


def _page(tiff: Tiff) -> dict[int, Value]:
    """Return the tags of a thumbnail of 16 x 12 pixels without compression."""
    pixels = bytes(16 * 12 * 3)
    return {
        0x00FE: (LONG, 1), 0x0100: (LONG, 16), 0x0101: (LONG, 12), 0x0102: (SHORT, (8, 8, 8)), 0x0103: (SHORT, 1),
        0x0106: (SHORT, 2), 0x0111: (LONG, tiff.blob(pixels)), 0x0115: (SHORT, 3), 0x0116: (LONG, 12),
        0x0117: (LONG, len(pixels)),
    }  # fmt: skip


def dng(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    tiff = Tiff(">")
    size = {0x0100: (LONG, 1920), 0x0101: (LONG, 1280), 0x0102: (SHORT, (8, 8, 8)), 0x0106: (SHORT, 6)}
    preview = {0x00FE: (LONG, 1), 0x0115: (SHORT, 3), 0x0116: (LONG, 1280), **size, **_strip(tiff, jpeg, 7)}
    raw = sensor(tiff) | {0xC617: (SHORT, 1), 0xC61D: (LONG, 4095)}
    below = (tiff.directory(raw), tiff.directory(preview))
    matrix = (0.8, -0.2, -0.1, -0.5, 1.3, 0.2, -0.1, 0.2, 0.6)
    main = _page(tiff) | _camera("Test", "Test Camera", orientation) | _exif(tiff, taken, adobe_rgb)
    main |= {
        0x014A: (LONG, below), 0xC612: (BYTE, (1, 4, 0, 0)), 0xC614: (ASCII, "Test Camera"),
        0xC621: (SRATIONAL, matrix), 0xC628: (RATIONAL, (0.5, 1.0, 0.6)), 0xC65A: (SHORT, 21),
    }  # fmt: skip
    return tiff.finish(tiff.directory(main))


def nef(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    tiff = Tiff("<")
    below = (tiff.directory(_preview(tiff, jpeg)), tiff.directory(sensor(tiff)))
    main = _page(tiff) | _camera("NIKON CORPORATION", "NIKON D90", orientation) | _exif(tiff, taken, adobe_rgb)
    return tiff.finish(tiff.directory(main | {0x014A: (LONG, below)}))


def cr2(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    tiff = Tiff("<", head=b"CR\x02\0\0\0\0\0")
    table = b"\xff\xc4\0\x14\0" + bytes([0, 1]) + bytes(14) + b"\0"
    lossless = b"\xff\xd8" + table + b"\xff\xc3\0\x0e\x0e" + struct.pack(">HH", 2592, 1728) + b"\x02\0\x11\0\x01\x11\0"
    lossless += b"\xff\xda\0\x0a\x02\0\0\x01\0\x01\0\0" + bytes(64) + b"\xff\xd9"
    raw = tiff.directory(_strip(tiff, lossless, 6) | {0xC5D8: (LONG, 1), 0xC640: (SHORT, (1, 1728, 1728))})
    struct.pack_into("<I", tiff.data, 12, raw)
    third = tiff.directory(_strip(tiff, bytes(64), 6), raw)
    small = tiff.directory({0x0201: (LONG, tiff.blob(bytes(64))), 0x0202: (LONG, 64)}, third)
    main = {0x0100: (SHORT, 1920), 0x0101: (SHORT, 1280), 0x0102: (SHORT, (8, 8, 8)), **_strip(tiff, jpeg, 6)}
    main |= _camera("Canon", "Canon EOS 450D", orientation) | _exif(tiff, taken, adobe_rgb)
    return tiff.finish(tiff.directory(main, small))


def arw(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    tiff = Tiff("<")
    raw = tiff.directory(sensor(tiff))
    main = _preview(tiff, jpeg) | _camera("SONY", "ILCE-7M4", orientation) | _exif(tiff, taken, adobe_rgb)
    return tiff.finish(tiff.directory(main | {0x014A: (LONG, raw)}))


def pef(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    tiff = Tiff(">")
    third = tiff.directory(_preview(tiff, jpeg))
    small = tiff.directory({0x0201: (LONG, tiff.blob(bytes(64))), 0x0202: (LONG, 64)}, third)
    values = sensor(tiff)
    main = values | _camera("PENTAX", "PENTAX K-5", orientation) | _exif(tiff, taken, adobe_rgb)
    return tiff.finish(tiff.directory(main, small))


def orf(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    """Return an ORF file, whose JPEG is in the maker note; offsets there count from the note."""
    tiff = Tiff("<", magic=b"IIRO")
    note = Tiff("<", magic=b"OLYMPUS\0", head=b"", base=0)
    note.data[8:] = b"II\x03\0"
    settings_at = 12 + 2 + 12 + 4
    jpeg_at = settings_at + 2 + 3 * 12 + 4
    settings = struct.pack("<H", 3) + b"".join(
        struct.pack("<HHII", tag, LONG, 1, value) for tag, value in ((0x100, 1), (0x101, jpeg_at), (0x102, len(jpeg)))
    )
    content = b"OLYMPUS\0II\x03\0" + struct.pack("<HHHIII", 1, 0x2020, 13, 1, settings_at, 0)
    content += settings + b"\0\0\0\0" + jpeg
    values = sensor(tiff)
    main = values | _camera("OLYMPUS CORPORATION", "E-M10MarkII", orientation)
    main |= _exif(tiff, taken, adobe_rgb, maker_note=content)
    return tiff.finish(tiff.directory(main))


def rw2(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    tiff = Tiff("<", magic=b"IIU\0", head=bytes(16))
    values = sensor(tiff)
    place = values[0x0111]
    main = {
        0x0001: (UNDEFINED, b"0310"), 0x0002: (SHORT, WIDTH), 0x0003: (SHORT, HEIGHT), 0x0004: (SHORT, 0),
        0x0005: (SHORT, 0), 0x0006: (SHORT, HEIGHT), 0x0007: (SHORT, WIDTH), 0x0009: (SHORT, 1), 0x000A: (SHORT, 12),
        0x002E: (UNDEFINED, jpeg), 0x0118: place, 0x0117: (LONG, WIDTH * HEIGHT * 2),
    } | _camera("Panasonic", "DMC-GH4", orientation) | _exif(tiff, taken, adobe_rgb)  # fmt: skip
    return tiff.finish(tiff.directory(main))


def with_exif(jpeg: bytes, orientation: int, taken: str | None, adobe_rgb: bool = False) -> bytes:
    """Return the JPEG with EXIF data in front of its other segments."""
    tiff = Tiff("<")
    main = {0x0112: (SHORT, orientation)} | _exif(tiff, taken, adobe_rgb)
    exif = b"Exif\0\0" + tiff.finish(tiff.directory(main))
    return jpeg[:2] + struct.pack(">HH", 0xFFE1, len(exif) + 2) + exif + jpeg[2:]


def raf(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    """Return a RAF file. Only its JPEG has EXIF data."""
    inside = with_exif(jpeg, orientation, taken, adobe_rgb)
    tiff = Tiff("<")
    values = sensor(tiff)
    place = values[0x0111]
    below = tiff.directory({0xF001: (LONG, WIDTH), 0xF002: (LONG, HEIGHT), 0xF003: (LONG, 16), 0xF007: place})
    raw = tiff.finish(tiff.directory({0xF000: (LONG, below)}))
    sizes = struct.pack(">I", 1) + struct.pack(">HHHH", 0x0100, 4, HEIGHT, WIDTH)
    head = b"FUJIFILMCCD-RAW 0201FF393101" + b"X-T1".ljust(32, b"\0") + b"0100" + bytes(20)
    start = len(head) + 24 + 12
    places = (start, len(inside), start + len(inside), len(sizes), start + len(inside) + len(sizes), len(raw))
    return head + struct.pack(">6I", *places) + bytes(12) + inside + sizes + raw


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def cr3(jpeg: bytes, orientation: int = 1, taken: str | None = TAKEN, adobe_rgb: bool = False) -> bytes:
    def part(tags: Callable[[Tiff], Tags]) -> bytes:
        tiff = Tiff("<")
        return tiff.finish(tiff.directory(tags(tiff)))

    def exif(tiff: Tiff) -> Tags:
        tags: dict[int, Value] = {0x8827: (SHORT, 100), 0xA001: (SHORT, 65535 if adobe_rgb else 1)}
        if taken is not None:
            tags[0x9003] = (ASCII, taken)
        if adobe_rgb:
            tags[0xA005] = (LONG, tiff.directory({1: (ASCII, "R03")}))
        return tags

    metadata = box(
        b"uuid",
        bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"),
        box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"),
        box(b"CMT1", part(lambda _: _camera("Canon", "Canon EOS R", orientation))),
        box(b"CMT2", part(exif)),
        box(b"CMT4", part(lambda _: {0: (BYTE, (2, 3, 0, 0))})),
    )
    start = box(b"ftyp", b"crx ", b"\0\0\0\x01", b"crx isom")

    def movie(offset: int) -> bytes:
        entry = box(b"CRAW", bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", 1920, 1280), bytes(50))
        table = box(
            b"stbl",
            box(b"stsd", struct.pack(">II", 0, 1), entry),
            box(b"stsz", struct.pack(">III", 0, len(jpeg), 1)),
            box(b"co64", struct.pack(">IIQ", 0, 1, offset)),
        )
        track = box(b"trak", box(b"mdia", box(b"minf", box(b"vmhd", bytes(12)), table)))
        return box(b"moov", metadata, track)

    offset = len(start) + len(movie(0)) + 16
    return start + movie(offset) + struct.pack(">I4sQ", 1, b"mdat", 16 + len(jpeg)) + jpeg


MAKERS: dict[str, Callable[..., bytes]] = {
    "Adobe DNG": dng, "Nikon NEF": nef, "Canon CR2": cr2, "Canon CR3": cr3, "Sony ARW": arw, "Olympus ORF": orf,
    "Panasonic RW2": rw2, "Fujifilm RAF": raf, "Pentax PEF": pef,
}  # fmt: skip
"""The function that builds each kind from a JPEG, an orientation, a date and whether the colours are Adobe RGB."""
