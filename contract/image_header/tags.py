"""Read TIFF tags and EXIF data (TIFF 6.0, section 2; BigTIFF; EXIF 2.32, section 4.6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Literal

from contract.image_header.model import HeaderError, ImageHeader, KindNotSupported, TiffFacts
from contract.image_header.source import BytesSource, Reader

MAX_ENTRIES = 1024
"""Entries of a directory. Cameras write fewer than 100."""
MAX_PAGES = 100
"""Pages of a TIFF file that are counted. Only the first one is shown."""
MAX_VALUES = 64
"""Values of a tag that are read. The tags here have one, or one per sample."""

ORIENTATION, EXIF_IFD, INTEROP_IFD, COLOUR_SPACE, INTEROP_INDEX = 0x0112, 0x8769, 0xA005, 0xA001, 0x0001
_UNCALIBRATED = 65535
_TYPES = {
    1: (1, "B"), 2: (1, "c"), 3: (2, "H"), 4: (4, "I"), 6: (1, "b"), 7: (1, "B"), 8: (2, "h"), 9: (4, "i"),
    13: (4, "I"), 16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"),
}  # fmt: skip
"""Size and `struct` code of each field type that holds integers or text."""

Value = tuple[int, ...] | bytes
Tags = dict[int, Value]


class TagReader:
    """Reads directories of one TIFF structure, of either byte order and either size of offsets."""

    def __init__(self, reader: Reader) -> None:
        """Read the TIFF header. Raises HeaderError if there is none."""
        self._reader = reader
        start = reader.read(0, 8)
        if start[:2] not in (b"II", b"MM"):
            raise reader.damaged("it has no byte order")
        self._order: Literal["<", ">"] = "<" if start[:2] == b"II" else ">"
        (version,) = struct.unpack(self._order + "H", start[2:4])
        if version not in (42, 43):
            raise reader.damaged(f"its version is {version}")
        self._big = version == 43
        if self._big:
            (self.first,) = reader.unpack(self._order + "Q", 8)
        else:
            (self.first,) = struct.unpack(self._order + "I", start[4:8])

    def tags(self, offset: int, wanted: Callable[[int], bool] | None = None) -> Tags:
        """Return the integer and text tags of the directory at `offset`, at most `MAX_VALUES` values of each."""
        order, reader = self._order, self._reader
        head, entry = ("Q", 20) if self._big else ("H", 12)
        (count,) = reader.unpack(order + head, offset)
        if count > MAX_ENTRIES:
            raise reader.damaged(f"a directory has {count} tags")
        begin = offset + (8 if self._big else 2)
        entries = reader.read(begin, count * entry)
        result: Tags = {}
        for at in range(0, count * entry, entry):
            if self._big:
                tag, kind, values = struct.unpack_from(order + "HHQ", entries, at)
                inline = entries[at + 12 : at + 20]
            else:
                tag, kind, values = struct.unpack_from(order + "HHI", entries, at)
                inline = entries[at + 8 : at + 12]
            if kind not in _TYPES or (wanted is not None and not wanted(tag)):
                continue
            size, code = _TYPES[kind]
            values = min(values, MAX_VALUES)
            if values * size > len(inline):
                (place,) = struct.unpack(order + ("Q" if self._big else "I"), inline)
                inline = reader.read_up_to(place, values * size)
                values = min(values, len(inline) // size)
            data = inline[: values * size]
            result.setdefault(tag, data if code == "c" else struct.unpack(f"{order}{values}{code}", data))
        return result

    def pages(self) -> int:
        """Return the number of directories in the chain, at most `MAX_PAGES`."""
        offset, seen = self.first, set[int]()
        head, entry, after = ("Q", 20, "Q") if self._big else ("H", 12, "I")
        while offset and offset not in seen and len(seen) < MAX_PAGES:
            seen.add(offset)
            try:
                (count,) = self._reader.unpack(self._order + head, offset)
                offset += struct.calcsize(head) + count * entry
                (offset,) = self._reader.unpack(self._order + after, offset)
            except HeaderError:
                break
        return max(1, len(seen))


def number(tags: Tags, tag: int, default: int) -> int:
    """Return the first integer of a tag, or `default` if it is missing or text."""
    value = tags.get(tag)
    return value[0] if isinstance(value, tuple) and value else default


def numbers(tags: Tags, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return the integers of a tag, or `default` if it is missing or text."""
    value = tags.get(tag)
    return value if isinstance(value, tuple) and value else default


def orientation_of(tags: Tags) -> int:
    """Return the orientation, 1 to 8, of any integer type; 1 if it is missing or invalid."""
    value = number(tags, ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def exif_facts(exif: bytes) -> tuple[int, bool]:
    """Return (orientation, whether the colours are declared as Adobe RGB) from EXIF data; (1, False) if unreadable.

    Adobe RGB is declared by an uncalibrated colour space and the interoperability index R03 (DCF 2.0, section 3.4.2).
    Damage in EXIF data is no reason to reject a photo, and does not lose the tags that were read before it.
    """
    orientation, adobe_rgb = 1, False
    if not exif:
        return orientation, adobe_rgb
    try:
        reader = TagReader(Reader(BytesSource(exif), "EXIF data"))
        main = reader.tags(reader.first)
        orientation = orientation_of(main)
        adobe_rgb = _declares_adobe_rgb(reader, main)
    except (HeaderError, struct.error):
        pass  # the facts that were found so far count
    return orientation, adobe_rgb


def _declares_adobe_rgb(reader: TagReader, main: Tags) -> bool:
    details = reader.tags(number(main, EXIF_IFD, 0)) if EXIF_IFD in main else {}
    if number(details, COLOUR_SPACE, 1) != _UNCALIBRATED or INTEROP_IFD not in details:
        return False
    index = reader.tags(number(details, INTEROP_IFD, 0)).get(INTEROP_INDEX, b"")
    return isinstance(index, bytes) and index[:3] == b"R03"


_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _TILE_WIDTH, _EXTRA, _FORMAT = 277, 284, 322, 338, 339
_NEEDED = {
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, ORIENTATION, _SAMPLES, _PLANAR, _TILE_WIDTH, _EXTRA, _FORMAT,
    EXIF_IFD,
}  # fmt: skip
_PHOTOMETRICS = {
    0: "inverted grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIE Lab",
    9: "ICC Lab", 10: "ITU Lab", 32803: "raw sensor", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip
_FORMATS = {1: "integer", 2: "signed integer", 3: "floating-point", 4: "untyped", 5: "complex", 6: "complex"}
_OLD_JPEG = 6
_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 50000}
_COMPRESSION_NAMES = {
    _OLD_JPEG: "old-style JPEG", 32766: "NeXT", 32809: "ThunderScan", 32908: "PixarFilm", 32909: "PixarLog",
    34661: "JBIG", 34676: "SGI Log", 34677: "SGI Log", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG",
    34925: "LZMA", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_EXPORT = "which is not supported; export it as JPEG or as 8- or 16-bit TIFF"


def read_tiff(reader: Reader) -> ImageHeader:
    """Read the first page of a TIFF file. Raises HeaderError, or KindNotSupported for kinds that are not rendered."""
    structure = TagReader(reader)
    tags = structure.tags(structure.first, _NEEDED.__contains__)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise reader.damaged("it has no size")
    samples = number(tags, _SAMPLES, 1)
    facts = TiffFacts(
        compression=number(tags, _COMPRESSION, 1),
        photometric=number(tags, _PHOTOMETRIC, -1),
        sample_format=number(tags, _FORMAT, 1),
        samples=samples,
        extra_samples=numbers(tags, _EXTRA, ()),
        bits=numbers(tags, _BITS, (1,)),
        planar=number(tags, _PLANAR, 1) == 2,
        tiled=_TILE_WIDTH in tags,
    )
    _check_kind(facts)
    colours = {2: 3, 5: 4, 6: 3}.get(facts.photometric, 1)
    try:
        adobe_rgb = facts.photometric == 2 and _declares_adobe_rgb(structure, tags)
    except (HeaderError, struct.error):
        adobe_rgb = False  # damage in EXIF data is no reason to reject a photo
    return ImageHeader(
        format="tiff",
        width=number(tags, _WIDTH, 0),
        height=number(tags, _HEIGHT, 0),
        orientation=orientation_of(tags),
        pages=structure.pages(),
        bits=facts.bits[0],
        bands=samples,
        has_alpha=samples > colours and bool(facts.extra_samples) and facts.extra_samples[0] in (1, 2),
        chroma_samples=float(samples),
        adobe_rgb=adobe_rgb,
        tiff=facts,
    )


def _check_kind(facts: TiffFacts) -> None:
    """Raise KindNotSupported for a kind of TIFF that the decoder does not render, or renders wrong."""
    bits = facts.bits[0]
    colours = _PHOTOMETRICS.get(facts.photometric, f"unknown ({facts.photometric})")
    if facts.compression not in _COMPRESSIONS:
        name = _COMPRESSION_NAMES.get(facts.compression, f"unknown ({facts.compression})")
        raise KindNotSupported(f"is a TIFF with {name} compression, {_EXPORT}")
    if facts.photometric not in (0, 1, 2, 3, 5, 6):
        raise KindNotSupported(f"is a TIFF with {colours} samples, {_EXPORT}")
    if facts.sample_format == 3 and set(facts.bits) == {32} and facts.photometric == 2 and facts.samples >= 3:
        return  # linear light, as photo programs write it
    if facts.sample_format not in (1, 4):
        kind = _FORMATS.get(facts.sample_format, "unknown")
        raise KindNotSupported(f"is a TIFF with {bits}-bit {kind} samples, {_EXPORT}")
    if len(set(facts.bits)) > 1 or bits not in (1, 2, 4, 8, 16):
        widths = bits if len(set(facts.bits)) == 1 else "/".join(map(str, facts.bits))
        raise KindNotSupported(f"is a TIFF with {widths}-bit samples, {_EXPORT}")
    needed = {2: 3, 5: 4, 6: 3}.get(facts.photometric, 1)
    if facts.samples < needed or (bits < 8 and facts.samples > 1):
        raise KindNotSupported(f"is a TIFF with {facts.samples} {bits}-bit samples for {colours}, {_EXPORT}")
