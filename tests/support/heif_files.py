"""Write HEIF files box by box, from AV1 pictures that Pillow encodes (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tests.support.heic_picture import box
from tests.support.pictures import encoded


@dataclass(frozen=True)
class Item:
    """An item: its type, data, properties (type and content of each box), and the items that it is derived from."""

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...]
    sources: tuple[int, ...] = ()


def full(content: bytes) -> bytes:
    """Return content with version and flags 0."""
    return bytes(4) + content


def clap(*fractions: tuple[int, int]) -> bytes:
    """Return a crop: width, height, horizontal and vertical offset of the centre."""
    return b"clap" + b"".join(struct.pack(">iI", *fraction) for fraction in fractions)


def nclx(primaries: int, transfer: int, matrix: int, *, full_range: bool = True) -> bytes:
    """Return a declaration of colour by code points."""
    return b"colrnclx" + struct.pack(">HHHB", primaries, transfer, matrix, full_range << 7)


def children(data: bytes) -> dict[bytes, bytes]:
    """Return the first box of each type."""
    found: dict[bytes, bytes] = {}
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        found.setdefault(kind, data[position + 8 : position + size])
        position += size
    return found


def tile(pixels: NDArray[np.uint8], properties: Sequence[bytes] = (), **options: object) -> Item:
    """Return `pixels` as an AV1 item with these further properties; `options` are those of Pillow."""
    return coded_item(encoded(pixels, "AVIF", **{"quality": 90, **options}), properties)


def coded_item(file: bytes, properties: Sequence[bytes] = ()) -> Item:
    """Return the AV1 picture of a file as an item, with its own `av1C`, `ispe` and `pixi` and further properties."""
    outer = children(file)
    inner = children(children(children(outer[b"meta"][4:])[b"iprp"])[b"ipco"])
    own = tuple(kind + inner[kind] for kind in (b"av1C", b"ispe", b"pixi") if kind in inner)
    return Item(b"av01", outer[b"mdat"], (*own, *properties))


def heif_file(items: Sequence[Item], primary: int, *, meta_last: bool = False, brand: bytes = b"avif") -> bytes:
    """Return a file of these items, which have the IDs 1, 2, ..."""
    boxes: list[bytes] = []
    associations = b""
    for number, item in enumerate(items, 1):
        indices = []
        for content in item.properties:
            if content not in boxes:
                boxes.append(content)
            indices.append(boxes.index(content) + 1)
        associations += struct.pack(">HB", number, len(indices)) + bytes(indices)
    start = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    pixels = box(b"mdat", *(item.data for item in items))

    def meta(offset: int) -> bytes:
        places, at = b"", offset
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(item.data))
            at += len(item.data)
        entries = [
            box(b"infe", b"\2\0\0\0", struct.pack(">HH", number, 0), item.kind, b"\0")
            for number, item in enumerate(items, 1)
        ]
        references = [
            box(b"dimg", struct.pack(f">HH{len(item.sources)}H", number, len(item.sources), *item.sources))
            for number, item in enumerate(items, 1)
            if item.sources
        ]
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", full(struct.pack(">H", primary))),
            box(b"iloc", full(struct.pack(">BBH", 0x44, 0, len(items)) + places)),
            box(b"iinf", full(struct.pack(">H", len(items))), *entries),
            *([box(b"iref", bytes(4), *references)] if references else []),
            box(
                b"iprp",
                box(b"ipco", *(box(content[:4], content[4:]) for content in boxes)),
                box(b"ipma", full(struct.pack(">I", len(items)) + associations)),
            ),
        )

    if meta_last:
        return start + pixels + meta(len(start) + 8)
    return start + meta(len(start) + len(meta(0)) + 8) + pixels


def grid_item(rows: int, columns: int, width: int, height: int, sources: tuple[int, ...]) -> Item:
    """Return a grid of tiles, of `width` x `height` pixels."""
    data = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", width, height)
    return Item(b"grid", data, (b"ispe" + full(struct.pack(">II", width, height)),), sources)


@lru_cache(4)
def _tile_of(side: int, shade: int) -> Item:
    pixels = np.full((side, side, 3), (shade, 255 - shade, 90), np.uint8)
    return tile(pixels, subsampling="4:4:4")


def avif_grid(
    *, rows: int, columns: int, width: int, height: int, side: int, primary_last: bool = False, meta_last: bool = False
) -> bytes:
    """Return a grid of square tiles that get lighter from tile to tile. The grid is the first or the last item."""
    count = rows * columns
    tiles = [_tile_of(side, 40 + 180 * number // count if count < 10 else 90) for number in range(count)]
    if primary_last:
        grid = grid_item(rows, columns, width, height, tuple(range(1, count + 1)))
        return heif_file([*tiles, grid], primary=count + 1, meta_last=meta_last)
    grid = grid_item(rows, columns, width, height, tuple(range(2, count + 2)))
    return heif_file([grid, *tiles], primary=1, meta_last=meta_last)
