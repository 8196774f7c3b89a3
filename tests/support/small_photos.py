"""Small photos, files whose header claims another size, and percent-encoded device keys."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
import zlib

from PIL import Image

PALETTE = {
    "primary": "#102030",
    "secondary": "#405060",
    "tertiary": "#708090",
    "sourceColor": "#A0B0C0",
    "allColors": ["#102030", "#405060", "#708090", "#A0B0C0", "#102030", "#102030", "#102030", "#102030"],
    "neutral": False,
}


def percent(key: str) -> str:
    """Return the key of a device, percent-encoded as in object names."""
    unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
    return "".join(chr(byte) if byte in unreserved else f"%{byte:02X}" for byte in key.encode())


@functools.lru_cache(maxsize=256)
def jpeg(width: int, height: int, colour: tuple[int, int, int] = (90, 120, 60), orientation: int = 1) -> bytes:
    """Return a JPEG of one colour, with `orientation` in its EXIF data."""
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "JPEG", exif=exif)
    return out.getvalue()


def photo(number: int, width: int = 64, height: int = 48) -> bytes:
    """Return a small JPEG that differs by `number`."""
    digest = hashlib.sha256(f"photo {number}".encode()).digest()
    tile = Image.frombytes("RGB", (2, 2), digest[:12])
    out = io.BytesIO()
    tile.resize((width, height), Image.Resampling.BILINEAR).save(out, "JPEG", quality=90)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG with a header, a chunk of pixels that has none, and an end chunk."""
    chunks = b""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg_of_size(width: int, height: int, *, progressive: bool) -> bytes:
    """Return a small JPEG whose header claims this size."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "grey").save(out, "JPEG", progressive=progressive)
    data = bytearray(out.getvalue())
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)
