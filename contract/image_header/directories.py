"""Walk the directories of TIFF 6.0, BigTIFF and EXIF, which camera raw files use as well.

Broken parts are left out instead of reported, because a photo is not rejected for its metadata: a directory that cannot
be read is empty, and so is a value that lies outside of the file. Counts are limited, so that a hostile file costs
microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

SUB_DIRECTORIES, EXIF_DIRECTORY, GPS_DIRECTORY, INTEROP_DIRECTORY = 0x014A, 0x8769, 0x8825, 0xA005
MAX_FIELDS = 400
"""Fields of a directory that are read. Real ones have fewer than 120."""
MAX_DIRECTORIES = 40
"""Directories of a file that are read."""
MAX_NUMBERS = 64
MAX_TEXT = 256
"""Bytes of a text that are read."""

_KINDS = {
    1: (1, "B"), 2: (1, "c"), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, "B"), 8: (2, "h"),
    9: (4, "i"), 10: (8, "ii"), 13: (4, "I"), 16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"),
}  # fmt: skip
"""Size and `struct` code of a value, by the field type of TIFF 6.0, section 2, and of BigTIFF."""
_WHOLE = "BHIbhiQq"
_MAGICS = {
    b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">",
    b"IIRO": "<", b"IIRS": "<", b"MMOR": ">", b"IIU\0": "<",
}  # fmt: skip
"""Byte order by the first four bytes: TIFF, BigTIFF, Olympus ORF and Panasonic RW2."""


class Field(NamedTuple):
    """A field of a directory: its type, the number of its values, and their position from the start of the file."""

    kind: int
    length: int
    position: int


class Directory(NamedTuple):
    """The fields of a directory by tag, and the offset of the next one (0: none)."""

    fields: dict[int, Field]
    following: int


EMPTY = Directory({}, 0)


class DirectoryReader:
    """Reads the directories of one TIFF structure."""

    def __init__(self, data: bytes, start: int = 0, order: str = "", base: int | None = None) -> None:
        """Open the structure.

        Args:
            data: The file that contains it.
            start: Position of its header.
            order: Byte order, "<" or ">", of a structure that has no header of its own.
            base: Position that offsets are relative to; by default `start`.

        Raises:
            ValueError: There is no TIFF header at `start`, and no `order` was given.
        """
        self.data = data
        self.start = start
        self.base = start if base is None else base
        magic = bytes(data[start : start + 4])
        self.order = order or _MAGICS.get(magic, "")
        if not self.order:
            raise ValueError("it has no TIFF header")
        self._big = not order and magic in (b"II+\0", b"MM\0+")

    @property
    def first(self) -> int:
        """Offset of the first directory; 0 if the header is cut off."""
        try:
            return self._number("Q", self.start + 8) if self._big else self._number("I", self.start + 4)
        except struct.error:
            return 0

    def _number(self, code: str, position: int) -> int:
        if position < 0:
            raise struct.error("negative position")
        number: int = struct.unpack_from(self.order + code, self.data, position)[0]
        return number

    def directory(self, offset: int) -> Directory:
        """Return the directory at an offset. It has the fields up to the first one that cannot be read."""
        position = self.base + offset
        size, code, head = (20, "Q", 8) if self._big else (12, "I", 2)
        fields: dict[int, Field] = {}
        try:
            count = self._number("Q" if self._big else "H", position)
            for place in range(position + head, position + head + size * min(count, MAX_FIELDS), size):
                tag, kind = self._number("H", place), self._number("H", place + 2)
                number = self._number(code, place + 4)
                value = place + (12 if self._big else 8)
                width = _KINDS.get(kind, (1, ""))[0] * number
                if width > (8 if self._big else 4):
                    value = self.base + self._number(code, value)
                if tag not in fields:
                    fields[tag] = Field(kind, number, value)
            following = self._number(code, position + head + size * count) if count <= MAX_FIELDS else 0
        except struct.error:
            following = 0
        return Directory(fields, following)

    def chain(self, offset: int) -> Iterator[Directory]:
        """Yield the directory at an offset and those that follow it, each once, at most `MAX_DIRECTORIES`."""
        seen: set[int] = set()
        while offset and offset not in seen and len(seen) < MAX_DIRECTORIES:
            seen.add(offset)
            found = self.directory(offset)
            yield found
            offset = found.following

    def numbers(self, found: Directory, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of a field, at most `MAX_NUMBERS`; none if it is missing or of another type."""
        field = found.fields.get(tag)
        code = _KINDS.get(field.kind, (0, ""))[1] if field is not None else ""
        if field is None or not code or code not in _WHOLE or field.position < 0:
            return ()
        count = min(field.length, MAX_NUMBERS)
        try:
            return struct.unpack_from(f"{self.order}{count}{code}", self.data, field.position)
        except struct.error:
            return ()

    def number(self, found: Directory, tag: int, default: int = 0) -> int:
        """Return the first whole number of a field."""
        return next(iter(self.numbers(found, tag)), default)

    def fractions(self, found: Directory, tag: int) -> tuple[float, ...]:
        """Return the values of a field of fractions, at most `MAX_NUMBERS`. A division by zero gives 0."""
        field = found.fields.get(tag)
        if field is None or field.kind not in (5, 10) or field.position < 0:
            return ()
        count = min(field.length, MAX_NUMBERS)
        try:
            parts = struct.unpack_from(
                f"{self.order}{2 * count}{'I' if field.kind == 5 else 'i'}", self.data, field.position
            )
        except struct.error:
            return ()
        return tuple(above / below if below else 0.0 for above, below in zip(parts[::2], parts[1::2], strict=True))

    def content(self, found: Directory, tag: int, limit: int) -> bytes:
        """Return the bytes of a field, at most `limit`; no bytes if it is missing."""
        field = found.fields.get(tag)
        if field is None or field.position < 0:
            return b""
        size = _KINDS.get(field.kind, (1, ""))[0] * field.length
        return bytes(self.data[field.position : field.position + min(size, limit)])

    def text(self, found: Directory, tag: int) -> str:
        """Return the text of a field without its end marker and surrounding spaces."""
        return self.content(found, tag, MAX_TEXT).partition(b"\0")[0].decode("latin-1").strip()

    def below(self, found: Directory, tag: int) -> Directory:
        """Return the first directory that a field points to, or an empty one."""
        offset = self.number(found, tag)
        return self.directory(offset) if offset else EMPTY
