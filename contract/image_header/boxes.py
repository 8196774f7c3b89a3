"""Read the boxes of a HEIF file: AVIF and HEIC (ISO/IEC 14496-12, 23008-12 and 23000-22; AV1 Image File Format).

Only the primary item counts: its size, transformations, colour, depth and EXIF data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from contract.image_header.bitstreams import BitstreamFacts, av1_facts, hevc_facts
from contract.image_header.model import (
    MAX_EXIF_BYTES,
    CodePoints,
    Format,
    HeaderError,
    HeifFacts,
    ImageHeader,
    KindNotSupported,
)
from contract.image_header.source import Reader
from contract.image_header.tags import exif_facts

MAX_ITEMS = 1000
"""Items of a file, which is also the limit of libheif. 110 megapixels in tiles of 512 x 512 pixels are 420 items."""
_MAX_META_BYTES = 8 << 20
_MAX_BOXES = 4096
_MAX_PROPERTIES = 64
_MAX_BITSTREAM_BYTES = 256
"""Bytes of a coded image that are read for its sequence header, which comes first."""
_CODECS: dict[bytes, Format] = {b"av01": "avif", b"hvc1": "heic", b"hev1": "heic"}
_DERIVED = (b"grid", b"iden", b"iovl", b"tmap")
_OTHER_CODECS = {
    b"jpeg": "JPEG", b"j2k1": "JPEG 2000", b"avc1": "H.264", b"vvc1": "H.266", b"evc1": "EVC", b"unci": "uncompressed",
    b"jxl1": "JPEG XL", b"lhv1": "layered HEVC",
}  # fmt: skip
_EXPORT = "which is not supported; export it as JPEG"


class _Box(NamedTuple):
    """A box in memory: its type, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


class _Extent(NamedTuple):
    """A piece of an item: from the file, or from the `idat` box."""

    in_idat: bool
    offset: int
    size: int


class _Meta:
    """The `meta` box of a file, in memory."""

    def __init__(self, reader: Reader, data: bytes, offset: int) -> None:
        self.reader, self.data, self.offset = reader, data, offset
        self.boxes: dict[bytes, _Box] = {}
        for found in self.children(4, len(data)):
            self.boxes.setdefault(found.kind, found)

    def unpack(self, layout: str, position: int) -> tuple[int, ...]:
        """Return the numbers at `position`. Raises HeaderError at the end of the box."""
        try:
            return struct.unpack_from(layout, self.data, position)
        except struct.error:
            raise self.reader.damaged("a box is cut off") from None

    def children(self, start: int, end: int) -> Iterator[_Box]:
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
                raise self.reader.damaged(f"the box {_printable(kind)} is longer than the box around it")
            yield _Box(kind, body, start + size)
            start += size
        raise self.reader.damaged(f"it has more than {_MAX_BOXES} boxes")

    def box(self, kind: bytes) -> _Box:
        """Return the first box of this type. Raises HeaderError if it is missing."""
        found = self.boxes.get(kind)
        if found is None:
            raise self.reader.damaged(f"the box {_printable(kind)} is missing")
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

    def properties(self, wanted: set[int]) -> dict[int, list[_Box]]:
        """Return the properties of the wanted items, in the order of their association."""
        outer = self.box(b"iprp")
        inner: dict[bytes, list[_Box]] = {}
        for found in self.children(outer.start, outer.end):
            inner.setdefault(found.kind, []).append(found)
        if b"ipco" not in inner:
            raise self.reader.damaged("the box ipco is missing")
        container = inner[b"ipco"][0]
        boxes = list(self.children(container.start, container.end))
        result: dict[int, list[_Box]] = {}
        for association in inner.get(b"ipma", [])[:4]:
            for item, indices in self._associations(association, wanted):
                result.setdefault(item, []).extend(boxes[index - 1] for index in indices if 0 < index <= len(boxes))
        return result

    def _associations(self, box: _Box, wanted: set[int]) -> Iterator[tuple[int, list[int]]]:
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

    def locations(self, wanted: set[int]) -> dict[int, list[_Extent]]:
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
        result: dict[int, list[_Extent]] = {}
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
                    _Extent(
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

    def content(self, extents: list[_Extent], limit: int) -> bytes:
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


def read_heif(reader: Reader) -> ImageHeader:
    """Read the primary item of a HEIF file. Raises HeaderError, or KindNotSupported for other codecs."""
    meta = _find_meta(reader)
    primary, items = meta.primary(), meta.items()
    kind = items.get(primary)
    if kind is None:
        raise reader.damaged("its primary item is missing")
    sources = meta.references(b"dimg").get(primary, ()) if kind in _DERIVED else ()
    coded = sources[0] if sources else primary
    codec = _codec(items.get(coded, b""))
    exif_item = next((item for item, name in items.items() if name == b"Exif"), None)
    described = [item for item, targets in meta.references(b"cdsc").items() if primary in targets]
    exif_item = next((item for item in described if items.get(item) == b"Exif"), exif_item)
    wanted = {primary, coded} | ({exif_item} if exif_item is not None else set())
    auxiliaries = [item for item, targets in meta.references(b"auxl").items() if primary in targets][:16]
    properties = meta.properties(wanted | set(auxiliaries))
    locations = meta.locations(wanted)
    own, tile = properties.get(primary, []), properties.get(coded, [])
    size = _size(meta, own, kind, locations.get(primary, []), len(sources))
    width, height = _transformed(meta, own, *size)
    bitstream = _bitstream(meta, codec, tile, locations.get(coded, []))
    nclx, has_profile, offsets = _colour(meta, own, tile)
    has_alpha = any(_is_alpha(meta, box) for item in auxiliaries for box in properties.get(item, []))
    facts = bitstream or BitstreamFacts(bits=_pixi_bits(meta, own, tile))
    exif = _exif(meta, locations.get(exif_item, [])) if exif_item is not None else b""
    pages = sum(1 for name in items.values() if name in _CODECS or name in _DERIVED)
    return ImageHeader(
        format=codec,
        width=width,
        height=height,
        bits=facts.bits,
        bands=4 if has_alpha else 3,
        has_alpha=has_alpha,
        pages=max(1, pages - len(sources)),
        exif=exif,
        adobe_rgb=exif_facts(exif)[1],
        heif=HeifFacts(
            nclx=nclx,
            bitstream=facts.colour,
            has_profile=has_profile,
            monochrome=facts.monochrome,
            tiles=max(1, len(sources)),
            items=len(items),
            pages=max(1, pages - len(sources)),
            matrix_offsets=offsets,
        ),
    )


def _find_meta(reader: Reader) -> _Meta:
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
            return _Meta(reader, data, position + begin)
        if kind == b"moov":
            raise KindNotSupported(f"is a HEIF file with a video and without a still image, {_EXPORT}")
        if size < begin:
            break
        position += size
    raise reader.damaged("the box meta is missing")


def _codec(kind: bytes) -> Format:
    codec = _CODECS.get(kind)
    if codec is None:
        name = _OTHER_CODECS.get(kind, f"an unknown codec ({_printable(kind)})")
        raise KindNotSupported(f"is a HEIF file with {name} inside, {_EXPORT}")
    return codec


def _size(meta: _Meta, own: list[_Box], kind: bytes, extents: list[_Extent], tiles: int) -> tuple[int, int]:
    """Return the size before transformations: that of the grid, or of `ispe`."""
    if kind == b"grid":
        data = meta.content(extents, 12)
        if len(data) < 8:
            raise meta.reader.damaged("its grid is cut off")
        flags, rows, columns = data[1], data[2] + 1, data[3] + 1
        if rows * columns != tiles:
            raise meta.reader.damaged(f"its grid needs {rows * columns} tiles and has {tiles}")
        layout = ">II" if flags & 1 else ">HH"
        if len(data) < 4 + struct.calcsize(layout):
            raise meta.reader.damaged("its grid is cut off")
        width, height = struct.unpack_from(layout, data, 4)
        return width, height
    for box in own:
        if box.kind == b"ispe":
            width, height = meta.unpack(">II", box.start + 4)
            return width, height
    raise meta.reader.damaged("its primary item has no size")


def _transformed(meta: _Meta, own: list[_Box], width: int, height: int) -> tuple[int, int]:
    """Apply crop and rotation in the order of the properties. Mirroring does not change the size."""
    for box in own:
        if box.kind == b"irot":
            if meta.unpack(">B", box.start)[0] & 1:
                width, height = height, width
        elif box.kind == b"clap":
            values = meta.unpack(">IIIIiIiI", box.start)
            if not all(values[1::2]):
                raise meta.reader.damaged("its crop divides by zero")
            across, down, right, below = (Fraction(a, b) for a, b in zip(values[::2], values[1::2], strict=True))
            width, height = _cropped(meta, width, across, right), _cropped(meta, height, down, below)
    return width, height


def _cropped(meta: _Meta, full: int, size: Fraction, offset: Fraction) -> int:
    """Return the length of one side of a clean aperture (14496-12, 12.1.4), rounded as libheif rounds it.

    Raises HeaderError for a crop that leaves no pixel or lies outside of the picture, which is not allowed.
    """
    begin = (offset + Fraction(full - 1, 2) - (size - 1) / 2).__floor__()
    length = (size + Fraction(1, 2)).__floor__()
    if length < 1 or begin < 0 or begin + length > full:
        raise meta.reader.damaged("its crop leaves no pixel, or lies outside of the picture")
    return length


def _colour(meta: _Meta, own: list[_Box], tile: list[_Box]) -> tuple[CodePoints | None, bool, tuple[int, ...]]:
    """Return the `nclx` code points, whether there is a profile, and where the matrix of each `nclx` lies.

    Without a declaration of its own, a grid has that of its first tile.
    """
    for boxes in (own, tile):
        nclx: CodePoints | None = None
        has_profile, offsets = False, []
        for box in boxes:
            if box.kind != b"colr":
                continue
            kind = meta.data[box.start : box.start + 4]
            if kind == b"nclx" and box.end - box.start >= 11 and nclx is None:
                primaries, transfer, matrix, flags = meta.unpack(">HHHB", box.start + 4)
                nclx = CodePoints(primaries, transfer, matrix, bool(flags & 0x80))
                offsets.append(meta.offset + box.start + 8)
            elif kind in (b"prof", b"rICC"):
                has_profile = True
        if nclx is not None or has_profile:
            return nclx, has_profile, tuple(offsets)
    return None, False, ()


def _bitstream(meta: _Meta, codec: Format, tile: list[_Box], extents: list[_Extent]) -> BitstreamFacts | None:
    for box in tile:
        if box.kind == b"av1C" and codec == "avif":
            return av1_facts(meta.data[box.start : box.end], meta.content(extents, _MAX_BITSTREAM_BYTES))
        if box.kind == b"hvcC" and codec == "heic":
            return hevc_facts(meta.data[box.start : box.end])
    return None


def _pixi_bits(meta: _Meta, own: list[_Box], tile: list[_Box]) -> int:
    for box in (*own, *tile):
        if box.kind == b"pixi" and box.end - box.start >= 6:
            return min(max(meta.data[box.start + 5], 1), 16)
    return 8


_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:avc:2015:auxid:1")


def _is_alpha(meta: _Meta, box: _Box) -> bool:
    return box.kind == b"auxC" and meta.data[box.start + 4 : min(box.end, box.start + 100)].startswith(_ALPHA)


def _exif(meta: _Meta, extents: list[_Extent]) -> bytes:
    """Return the EXIF data of an item, which begins with the offset of their TIFF header (23008-12, A.2.1)."""
    data = meta.content(extents, MAX_EXIF_BYTES)
    start = 4 + int.from_bytes(data[:4], "big")
    return data[start:] if len(data) > 4 and start < len(data) else b""


def _printable(kind: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 else "?" for byte in kind)
