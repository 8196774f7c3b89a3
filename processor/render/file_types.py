"""What a file is by its first bytes, before any decoder sees it."""

from __future__ import annotations

from typing import Literal

Container = Literal["jpeg", "png", "webp", "gif", "tiff", "heif"]

_HEIF_BRANDS = frozenset(
    (
        b"avif",
        b"avis",
        b"heic",
        b"heix",
        b"heim",
        b"heis",
        b"hevc",
        b"hevx",
        b"hevm",
        b"hevs",
        b"mif1",
        b"msf1",
        b"miaf",
    )
)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Known, and still not opened: (bytes, where they stand, what to call the file).
_REFUSED = (
    (b"%PDF", 0, "a PDF document"),
    (b"%!PS", 0, "a PostScript document"),
    (b"BM", 0, "a BMP picture"),
    (b"8BPS", 0, "a Photoshop document"),
    (b"\xff\x0a", 0, "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", 0, "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", 0, "a JPEG 2000 picture"),
    (b"\0\0\1\0", 0, "an icon"),
    (b"v/1\1", 0, "an OpenEXR picture"),
    (b"PK\3\4", 0, "a ZIP archive"),
    (b"\x1aE\xdf\xa3", 0, "a video"),
    (b"ftyp", 4, "a video or another file of the MP4 family"),
)


def container_of(data: bytes) -> Container | None:
    """The allowed container that `data` begins like, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(_TIFF_STARTS):
        return "tiff"
    return "heif" if _has_heif_brand(data) else None


def refused_kind(data: bytes) -> str | None:
    """What to call a file of a known kind that is never opened, or None if the kind is unknown."""
    for start, place, kind in _REFUSED:
        if data[place : place + len(start)] == start:
            return kind
    beginning = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in beginning and beginning.startswith(b"<"):
        return "an SVG drawing"
    if beginning.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return None


def _has_heif_brand(data: bytes) -> bool:
    """ISO/IEC 14496-12, 4.3: a `ftyp` box with one major and a list of compatible brands."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    brands = [data[8:12], *(data[place : place + 4] for place in range(16, end - 3, 4))]
    return any(brand in _HEIF_BRANDS for brand in brands)
