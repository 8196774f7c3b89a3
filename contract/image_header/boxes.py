"""Read the boxes of a HEIF file that describe its items (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from contract.image_header.model import HeaderError, KindNotSupported
from contract.image_header.source import Reader

MAX_ITEMS = 1000
"""Items of a file, which is also the limit of libheif. 110 megapixels in tiles of 512 x 512 pixels are 420 items."""
_MAX_META_BYTES = 8 << 20
_MAX_BOXES = 4096
_MAX_PROPERTIES = 64


class Box(NamedTuple):
    """A box in memory: its type, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


class Extent(NamedTuple):
    """A piece of an item: from the file, or from the `idat` box."""

    in_idat: bool
    offset: int
    size: int


class Meta:
    """The `meta` box of a file, in memory."""

    def __init__(self, reader: Reader, data: bytes, offset: int) -> None:
        self.reader, self.data, self.offset = reader, data, offset
        self.boxes: dict[bytes, Box] = {}
        for found in self.children(4, len(data)):
            self.boxes.setdefault(found.kind, found)

    def unpack(self, layout: str, position: int) -> tuple[int, ...]:
        """Return the numbers at `position`. Raises HeaderError at the end of the box."""
        try:
            return struct.unpack_from(layout, self.data, position)
        except struct.error:
            raise self.reader.damaged("a box is cut off") from None

    def children(self, start: int, end: int) -> Iterator[Box]:
        """Iterate over the boxes between two positions."""
        for _ in range(_MAX_BOXES):
            if start + 8 > end:
                return
            size, kind = struct.unpack_from(">I4s", self.data, start)
            body = start + 8
            if size == 1:
                (size,) = self.unpack(">Q", body)
                body += 8
            elif size == 0:
                size = end - start
            if size < body - start or start + size > end:
                raise self.reader.damaged(f"the box {printable(kind)} is longer than the box around it")
            yield Box(kind, body, start + size)
            start += size
        raise self.reader.damaged(f"it has more than {_MAX_BOXES} boxes")

    def box(self, kind: bytes) -> Box:
        """Return the first box of this type. Raises HeaderError if it is missing."""
        found = self.boxes.get(kind)
        if found is None:
            raise self.reader.damaged(f"the box {printable(kind)} is missing")
        return found

    def primary(self) -> int:
        """Return the ID of the primary item."""
        start = self.box(b"pitm").start
        (version,) = self.unpack(">B", start)
        return self.unpack(">I" if version else ">H", start + 4)[0]

    def items(self) -> dict[int, bytes]:
        """Return the type of each item."""
        start, end = self.box(b"iinf")[1:]
        (version,) = self.unpack(">B", start)
        (count,) = self.unpack(">I" if version else ">H", start + 4)
        if count > MAX_ITEMS:
            raise KindNotSupported(
                f"is a HEIF file with {count} items (tiles, thumbnails and others), more than the limit of "
                f"{MAX_ITEMS}; export it as JPEG"
            )
        types: dict[int, bytes] = {}
        for entry in self.children(start + (8 if version else 6), end):
            if entry.kind == b"infe":
                (version,) = self.unpack(">B", entry.start)
                if version >= 2:
                    wide = version >= 3
                    (identity,) = self.unpack(">I" if wide else ">H", entry.start + 4)
                    at = entry.start + (10 if wide else 8)
                    types[identity] = self.data[at : at + 4]
        return types

    def references(self, kind: bytes) -> dict[int, tuple[int, ...]]:
        """Return, for each item with references of this type, the items that it refers to."""
        found = self.boxes.get(b"iref")
        if found is None:
            return {}
        (version,) = self.unpack(">B", found.start)
        code, width = ("I", 4) if version else ("H", 2)
        result: dict[int, tuple[int, ...]] = {}
        for entry in self.children(found.start + 4, found.end):
            if entry.kind == kind:
                source, count = self.unpack(f">{code}H", entry.start)
                if count > MAX_ITEMS:
                    raise self.reader.damaged(f"an item refers to {count} others")
                result.setdefault(source, self.unpack(f">{count}{code}", entry.start + width + 2))
        return result

    def properties(self, wanted: set[int]) -> dict[int, list[Box]]:
        """Return the properties of the wanted items, in the order of their association."""
        outer = self.box(b"iprp")
        inner: dict[bytes, list[Box]] = {}
        for found in self.children(outer.start, outer.end):
            inner.setdefault(found.kind, []).append(found)
        if b"ipco" not in inner:
            raise self.reader.damaged("the box ipco is missing")
        container = inner[b"ipco"][0]
        boxes = list(self.children(container.start, container.end))
        result: dict[int, list[Box]] = {}
        for association in inner.get(b"ipma", [])[:4]:
            for item, indices in self._associations(association, wanted):
                result.setdefault(item, []).extend(boxes[index - 1] for index in indices if 0 < index <= len(boxes))
        return result

    def _associations(self, box: Box, wanted: set[int]) -> Iterator[tuple[int, list[int]]]:
        """Iterate over (item, indices of properties) of an `ipma` box, for the wanted items."""
        version, flags, count = self.unpack(">B2xBI", box.start)
        code, head = (">IB", 5) if version else (">HB", 3)
        width = 2 if flags & 1 else 1
        position = box.start + 8
        if count > MAX_ITEMS:
            raise self.reader.damaged(f"{count} items have properties")
        for _ in range(count):
            item, associations = self.unpack(code, position)
            position += head
            if item in wanted:
                if associations > _MAX_PROPERTIES:
                    raise self.reader.damaged(f"an item has {associations} properties")
                indices = self.unpack(f">{associations}{'H' if width == 2 else 'B'}", position)
                mask = 0x7FFF if width == 2 else 0x7F
                yield item, [index & mask for index in indices]
            position += associations * width

    def locations(self, wanted: set[int]) -> dict[int, list[Extent]]:
        """Return where the data of the wanted items lie (`iloc`)."""
        found = self.boxes.get(b"iloc")
        if found is None:
            return {}
        version, sizes, more = self.unpack(">B3xBB", found.start)
        offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
        index_size = more & 15 if version else 0
        if any(size not in (0, 4, 8) for size in (offset_size, length_size, base_size, index_size)):
            raise self.reader.damaged("the box iloc declares numbers of an unknown size")
        position = found.start + 6
        (count,) = self.unpack(">I" if version == 2 else ">H", position)
        position += 4 if version == 2 else 2
        if count > MAX_ITEMS:
            raise self.reader.damaged(f"{count} items have locations")
        result: dict[int, list[Extent]] = {}
        for _ in range(count):
            (item,) = self.unpack(">I" if version == 2 else ">H", position)
            position += 4 if version == 2 else 2
            method = 0
            if version:
                method = self.unpack(">H", position)[0] & 15
                position += 2
            position += 2  # data reference
            base = self._sized(position, base_size)
            position += base_size
            (extents,) = self.unpack(">H", position)
            position += 2
            step = index_size + offset_size + length_size
            if item in wanted and method in (0, 1) and extents <= 16:
                result[item] = [
                    Extent(
                        method == 1,
                        base + self._sized(position + number * step + index_size, offset_size),
                        self._sized(position + number * step + index_size + offset_size, length_size),
                    )
                    for number in range(extents)
                ]
            position += extents * step
        return result

    def _sized(self, position: int, size: int) -> int:
        return self.unpack(">I" if size == 4 else ">Q", position)[0] if size else 0

    def content(self, extents: list[Extent], limit: int) -> bytes:
        """Return the first `limit` bytes of an item."""
        pieces, left = [], limit
        idat = self.boxes.get(b"idat")
        for in_idat, offset, size in extents:
            wanted = min(size or left, left)
            if in_idat:
                piece = self.data[idat.start + offset : min(idat.start + offset + wanted, idat.end)] if idat else b""
            else:
                piece = self.reader.read_up_to(offset, wanted)
            pieces.append(piece)
            left -= len(piece)
            if left <= 0:
                break
        return b"".join(pieces)


def find_meta(reader: Reader) -> Meta:
    """Find the `meta` box, which may lie before or behind the pixels."""
    position = 0
    for _ in range(_MAX_BOXES):
        head = reader.read_up_to(position, 16)
        if len(head) < 8:
            break
        size, kind = struct.unpack_from(">I4s", head)
        begin = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            begin = 16
        if kind == b"meta":
            limit = _MAX_META_BYTES + 1 if size == 0 else size - begin
            if limit > _MAX_META_BYTES and size:
                raise reader.damaged("its meta box has more than 8 MiB")
            data = reader.read_up_to(position + begin, limit)
            if size and len(data) < limit:
                raise HeaderError("is a HEIF file that is cut off in its header")
            if len(data) > _MAX_META_BYTES:
                raise reader.damaged("its meta box has more than 8 MiB")
            return Meta(reader, data, position + begin)
        if kind == b"moov":
            raise KindNotSupported(
                "is a HEIF file with a video and without a still image, which is not supported; export it as JPEG"
            )
        if size < begin:
            break
        position += size
    raise reader.damaged("the box meta is missing")


def printable(kind: bytes) -> str:
    """Return the type of a box for a message; what is no ASCII character becomes a question mark."""
    return "".join(chr(byte) if 32 < byte < 127 else "?" for byte in kind)
