"""Read the headers of JPEG, PNG, WebP and GIF files."""

from __future__ import annotations

import struct

from contract.image_header.model import (
    MAX_EXIF_BYTES,
    CodePoints,
    ImageHeader,
    KindNotSupported,
    PngColour,
)
from contract.image_header.source import Reader
from contract.image_header.tags import exif_facts

_MAX_SEGMENTS = 2000
"""JPEG segments before the pixels. A profile of 16 MB has 255."""
_MAX_GARBAGE = 1 << 16
"""Bytes between two JPEG segments that are skipped, as libjpeg skips them."""
_MAX_CHUNKS = 10_000
"""Chunks of a PNG or WebP file that are read. Each frame of an animation has its own."""
_SAMPLES = {(2, 2): 1.5, (4, 1): 1.5, (2, 1): 2.0, (1, 2): 2.0}
"""Samples per pixel by the horizontal and vertical sampling factors of Y, where Cb and Cr have 1."""
_NOT_DECODED = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "lossless", 0xCB: "lossless",
                0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "lossless"}  # fmt: skip
_EXPORT = "which is not supported; export it as baseline JPEG"
_PROFILE = b"ICC_PROFILE\0"


def read_jpeg(reader: Reader) -> ImageHeader:
    """Read the segments before the first scan (ITU-T T.81, annex B). Only what libjpeg needs is required."""
    position, exif, frame = 2, b"", b""
    kind = 0
    profile: dict[int, bytes] = {}
    for _ in range(_MAX_SEGMENTS):
        position, marker = _next_marker(reader, position)
        if marker == 0xD8 or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        if marker == 0xD9:
            raise reader.damaged("it ends before its first pixel")
        (length,) = reader.unpack(">H", position)
        if length < 2:
            raise reader.damaged(f"a segment has the length {length}")
        if marker == 0xE1 and not exif and reader.read_up_to(position + 2, 5) == b"Exif\0":
            exif = reader.read_up_to(position + 8, max(length - 8, 0))
        elif marker == 0xE2 and length > 16 and reader.read_up_to(position + 2, 12) == _PROFILE:
            (number,) = reader.read(position + 14, 1)
            profile.setdefault(number, reader.read(position + 16, length - 16))
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if frame:
                raise reader.damaged("it has two frame headers")
            kind, frame = marker, reader.read(position + 2, length - 2)
        elif marker == 0xDA:
            (in_scan,) = reader.read(position + 2, 1)
            return _jpeg_header(reader, kind, frame, in_scan, exif, _joined(profile))
        position += length
    raise reader.damaged(f"it has more than {_MAX_SEGMENTS} segments before its first pixel")


def _next_marker(reader: Reader, position: int) -> tuple[int, int]:
    """Return the position after the next marker, and the marker. Bytes in front of it are skipped."""
    for _ in range(_MAX_GARBAGE // 64):
        block = reader.read_up_to(position, 64)
        if len(block) < 2:
            break
        at = block.find(b"\xff")
        if at < 0:
            position += len(block)
            continue
        rest = block[at:].lstrip(b"\xff")
        if rest and rest[0] != 0:
            return position + len(block) - len(rest) + 1, rest[0]
        position += max(len(block) - len(rest), 1) if rest else max(len(block) - 1, 1)
    raise reader.damaged("no frame header was found")


def _joined(parts: dict[int, bytes]) -> bytes:
    """Return the profile from its numbered parts (ICC.1:2022, B.4), or nothing if one is missing."""
    return b"".join(parts[number] for number in sorted(parts)) if sorted(parts) == [*range(1, len(parts) + 1)] else b""


def _jpeg_header(reader: Reader, kind: int, frame: bytes, in_scan: int, exif: bytes, profile: bytes) -> ImageHeader:
    if not frame:
        raise reader.damaged("its first scan comes before a frame header")
    if kind in _NOT_DECODED:
        raise KindNotSupported(f"is a {_NOT_DECODED[kind]} JPEG, {_EXPORT}")
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise reader.damaged("its frame header is too short")
    bits, height, width, count = struct.unpack(">BHHB", frame[:6])
    if bits != 8:
        raise KindNotSupported(f"is a JPEG with {bits}-bit samples, {_EXPORT}")
    if height == 0:
        raise KindNotSupported(f"is a JPEG that declares its height after the pixels, {_EXPORT}")
    if count not in (1, 3, 4):
        raise KindNotSupported(f"is a JPEG with {count} components, {_EXPORT}")
    factors = [divmod(frame[7 + 3 * index], 16) for index in range(count)]
    samples = float(count)
    if count == 3 and factors[1] == factors[2] == (1, 1):
        samples = _SAMPLES.get(factors[0], 3.0)
    orientation, adobe_rgb = exif_facts(exif)
    return ImageHeader(
        format="jpeg",
        width=width,
        height=height,
        orientation=orientation,
        bands=count,
        progressive=kind in (0xC2, 0xCA) or in_scan < count,
        chroma_samples=samples,
        exif=exif,
        profile=profile,
        adobe_rgb=adobe_rgb,
    )


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_BANDS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def read_png(reader: Reader) -> ImageHeader:
    """Read the chunks before the pixels (PNG, third edition, section 11)."""
    length, name = reader.unpack(">I4s", 8)
    if name != b"IHDR" or length != 13:
        raise reader.damaged("its first chunk is not IHDR")
    width, height, bits, kind, _, _, interlaced = reader.unpack(">IIBBBBB", 16)
    if bits not in _PNG_DEPTHS.get(kind, ()):
        raise reader.damaged(f"its colour type is {kind} with {bits} bits")
    position = 8 + 12 + length
    chunks: dict[bytes, bytes] = {}
    for _ in range(_MAX_CHUNKS):
        length, name = reader.unpack(">I4s", position)
        if name == b"IDAT":
            break
        if name == b"IEND":
            raise reader.damaged("it has no pixels")
        if length > 0x7FFFFFFF:
            raise reader.damaged("a chunk is too long")
        if name in _PNG_LIMITS and name not in chunks:
            chunks[name] = reader.read_up_to(position + 8, min(length, _PNG_LIMITS[name]))
        position += 12 + length
    else:
        raise reader.damaged(f"it has more than {_MAX_CHUNKS} chunks before its pixels")
    exif = chunks.get(b"eXIf", b"")
    exif = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    orientation, adobe_rgb = exif_facts(exif)
    has_alpha = kind in (4, 6) or b"tRNS" in chunks
    return ImageHeader(
        format="png",
        width=width,
        height=height,
        orientation=orientation,
        bits=max(bits, 8),
        bands=_PNG_BANDS[kind] + (1 if has_alpha and kind not in (4, 6) else 0),
        has_alpha=has_alpha,
        progressive=bool(interlaced),
        chroma_samples=float(_PNG_BANDS[kind]),
        exif=exif,
        adobe_rgb=adobe_rgb,
        png=_png_colour(chunks),
    )


_PNG_LIMITS = {b"cICP": 4, b"iCCP": 1, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"tRNS": 1, b"eXIf": MAX_EXIF_BYTES}
"""Chunks that are read, and how many of their bytes."""


def _png_colour(chunks: dict[bytes, bytes]) -> PngColour:
    cicp, gamma, chromaticities = chunks.get(b"cICP", b""), chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    points = CodePoints(cicp[0], cicp[1], cicp[2], cicp[3] == 1) if len(cicp) == 4 else None
    return PngColour(
        cicp=points,
        has_profile=b"iCCP" in chunks,
        is_srgb=b"sRGB" in chunks,
        gamma=int.from_bytes(gamma, "big") / 100_000 if len(gamma) == 4 else None,
        chromaticities=tuple(value / 100_000 for value in struct.unpack(">8I", chromaticities))
        if len(chromaticities) == 32
        else None,
    )


def read_webp(reader: Reader) -> ImageHeader:
    """Read the RIFF chunks of a WebP file (RFC 9649)."""
    position, width, height, has_alpha, frames, exif = 12, 0, 0, False, 0, b""
    lossy = False
    for index in range(_MAX_CHUNKS):
        head = reader.read_up_to(position, 8)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head)
        body = position + 8
        if name == b"VP8X" and index == 0:
            data = reader.read(body, 10)
            has_alpha = bool(data[0] & 0x10)
            width, height = int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
            if not data[0] & 0x0A:  # neither EXIF nor animation: nothing else is needed
                break
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            exif = reader.read_up_to(body, min(length, MAX_EXIF_BYTES))
            break
        elif name == b"VP8 " and not width:
            data = reader.read(body, 10)
            if data[3:6] != b"\x9d\x01\x2a":
                raise reader.damaged("its frame has no start code")
            width, height = (value & 0x3FFF for value in struct.unpack("<HH", data[6:10]))
            lossy = True
            break
        elif name == b"VP8L" and not width:
            data = reader.read(body, 5)
            if data[0] != 0x2F:
                raise reader.damaged("its frame has no signature")
            packed = int.from_bytes(data[1:5], "little")
            width, height, has_alpha = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, bool(packed >> 28 & 1)
            break
        position = body + length + (length & 1)
    if not width or not height:
        raise reader.damaged("it has no size")
    exif = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    orientation, adobe_rgb = exif_facts(exif)
    return ImageHeader(
        format="webp",
        width=width,
        height=height,
        orientation=orientation,
        bands=4 if has_alpha else 3,
        has_alpha=has_alpha,
        pages=max(frames, 1),
        chroma_samples=1.5 if lossy else 3.0,
        exif=exif,
        adobe_rgb=adobe_rgb,
    )


_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = 0x21, 0x2C, 0x3B
_GIF_SCREEN_END = 13
_MAX_GIF_START = 1 << 20
"""Bytes that are searched for the first frame. Comments in front of it count."""


def read_gif(reader: Reader) -> ImageHeader:
    """Read the canvas of a GIF: the logical screen, enlarged to the first frame.

    Source: the GIF89a specification, sections 18 to 20 and 23 to 26.
    """
    start = reader.read_up_to(0, _MAX_GIF_START)
    try:
        width, height, flags = struct.unpack_from("<HHB", start, 6)
        position = _GIF_SCREEN_END + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)  # after the global colour table
        while (block := start[position]) != _GIF_IMAGE:
            if block == _GIF_TRAILER:
                raise reader.damaged("it has no frame")
            if block == _GIF_EXTENSION:
                position += 2
                while size := start[position]:
                    position += 1 + size
            position += 1  # also skips an unknown byte: some programs write one too many between blocks
        left, top, frame_width, frame_height, _ = struct.unpack_from("<HHHHB", start, position + 1)
        pages = _gif_frames(start, position)
    except (struct.error, IndexError):
        raise reader.damaged("no frame was found before the end of the file or the search limit of 1 MiB") from None
    return ImageHeader(
        format="gif",
        width=max(width, left + frame_width),
        height=max(height, top + frame_height),
        bands=4,
        has_alpha=True,
        pages=pages,
    )


def _gif_frames(start: bytes, position: int) -> int:
    """Return the number of frames from the one at `position` on, within the bytes that are searched."""
    count = 0
    while position < len(start):
        block = start[position]
        if block == _GIF_IMAGE:
            count += 1
            flags = start[position + 9] if position + 9 < len(start) else 0
            position += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        elif block == _GIF_EXTENSION:
            position += 2
        else:
            break
        while position < len(start) and (size := start[position]):
            position += 1 + size
        position += 1
    return count
