"""Detect the format of a file from its first bytes, before any decoder reads it."""

from __future__ import annotations

from typing import Literal

Container = Literal["jpeg", "png", "webp", "gif", "tiff", "heif"]

_HEIF_BRANDS = frozenset(b"avif avis heic heix heim heis hevc hevx hevm hevs mif1 msf1 miaf".split())
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_NEVER_OPENED = (
    (b"%PDF", 0, "a PDF document"),
    (b"%!PS", 0, "a PostScript document"),
    (b"BM", 0, "a BMP image"),
    (b"8BPS", 0, "a Photoshop document"),
    (b"\xff\x0a", 0, "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", 0, "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", 0, "a JPEG 2000 image"),
    (b"\0\0\1\0", 0, "an icon"),
    (b"v/1\1", 0, "an OpenEXR image"),
    (b"PK\3\4", 0, "a ZIP archive"),
    (b"\x1aE\xdf\xa3", 0, "a video"),
    (b"ftyp", 4, "a video or another file of the MP4 family"),
)
"""Formats that are recognised but not opened: signature, its offset, and a name for messages."""


def container_of(data: bytes) -> Container | None:
    """Return the supported container with whose signature `data` begins, or None."""
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


def rejected_format(data: bytes) -> str | None:
    """Return a name for a file whose format is recognised but never opened, or None for an unknown format."""
    for signature, offset, name in _NEVER_OPENED:
        if data[offset : offset + len(signature)] == signature:
            return name
    beginning = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in beginning and beginning.startswith(b"<"):
        return "an SVG drawing"
    if beginning.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return None


def _has_heif_brand(data: bytes) -> bool:
    """Search the `ftyp` box, which has one major brand and a list of compatible ones (ISO/IEC 14496-12, 4.3)."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    brands = [data[8:12], *(data[start : start + 4] for start in range(16, end - 3, 4))]
    return any(brand in _HEIF_BRANDS for brand in brands)
