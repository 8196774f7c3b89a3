"""Read the primary item of a HEIF file: AVIF and HEIC (ISO/IEC 23008-12 and 23000-22; AV1 Image File Format).

Only the primary item counts: its size, transformations, colour, depth and EXIF data.
"""

from __future__ import annotations

import struct
from fractions import Fraction

from contract.image_header.bitstreams import BitstreamFacts, av1_facts, hevc_facts
from contract.image_header.boxes import Box, Extent, Meta, find_meta, printable
from contract.image_header.model import MAX_EXIF_BYTES, CodePoints, Format, HeifFacts, ImageHeader, KindNotSupported
from contract.image_header.source import Reader
from contract.image_header.tags import exif_facts

_MAX_BITSTREAM_BYTES = 256
"""Bytes of a coded image that are read for its sequence header, which comes first."""
_CODECS: dict[bytes, Format] = {b"av01": "avif", b"hvc1": "heic", b"hev1": "heic"}
_DERIVED = (b"grid", b"iden", b"iovl", b"tmap")
_OTHER_CODECS = {
    b"jpeg": "JPEG", b"j2k1": "JPEG 2000", b"avc1": "H.264", b"vvc1": "H.266", b"evc1": "EVC", b"unci": "uncompressed",
    b"jxl1": "JPEG XL", b"lhv1": "layered HEVC",
}  # fmt: skip
_EXPORT = "which is not supported; export it as JPEG"


def read_heif(reader: Reader) -> ImageHeader:
    """Read the primary item of a HEIF file. Raises HeaderError, or KindNotSupported for other codecs."""
    meta = find_meta(reader)
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


def _codec(kind: bytes) -> Format:
    codec = _CODECS.get(kind)
    if codec is None:
        name = _OTHER_CODECS.get(kind, f"an unknown codec ({printable(kind)})")
        raise KindNotSupported(f"is a HEIF file with {name} inside, {_EXPORT}")
    return codec


def _size(meta: Meta, own: list[Box], kind: bytes, extents: list[Extent], tiles: int) -> tuple[int, int]:
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


def _transformed(meta: Meta, own: list[Box], width: int, height: int) -> tuple[int, int]:
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


def _cropped(meta: Meta, full: int, size: Fraction, offset: Fraction) -> int:
    """Return the length of one side of a clean aperture (14496-12, 12.1.4), rounded as libheif rounds it.

    Raises HeaderError for a crop that leaves no pixel or lies outside of the picture, which is not allowed.
    """
    begin = (offset + Fraction(full - 1, 2) - (size - 1) / 2).__floor__()
    length = (size + Fraction(1, 2)).__floor__()
    if length < 1 or begin < 0 or begin + length > full:
        raise meta.reader.damaged("its crop leaves no pixel, or lies outside of the picture")
    return length


def _colour(meta: Meta, own: list[Box], tile: list[Box]) -> tuple[CodePoints | None, bool, tuple[int, ...]]:
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


def _bitstream(meta: Meta, codec: Format, tile: list[Box], extents: list[Extent]) -> BitstreamFacts | None:
    for box in tile:
        if box.kind == b"av1C" and codec == "avif":
            return av1_facts(meta.data[box.start : box.end], meta.content(extents, _MAX_BITSTREAM_BYTES))
        if box.kind == b"hvcC" and codec == "heic":
            return hevc_facts(meta.data[box.start : box.end])
    return None


def _pixi_bits(meta: Meta, own: list[Box], tile: list[Box]) -> int:
    for box in (*own, *tile):
        if box.kind == b"pixi" and box.end - box.start >= 6:
            return min(max(meta.data[box.start + 5], 1), 16)
    return 8


_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:avc:2015:auxid:1")


def _is_alpha(meta: Meta, box: Box) -> bool:
    return box.kind == b"auxC" and meta.data[box.start + 4 : min(box.end, box.start + 100)].startswith(_ALPHA)


def _exif(meta: Meta, extents: list[Extent]) -> bytes:
    """Return the EXIF data of an item, which begins with the offset of their TIFF header (23008-12, A.2.1)."""
    data = meta.content(extents, MAX_EXIF_BYTES)
    start = 4 + int.from_bytes(data[:4], "big")
    return data[start:] if len(data) > 4 and start < len(data) else b""
