"""Mutated pictures: each follows from a number, so that it can be reproduced."""

from __future__ import annotations

import functools
import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.support.heic_picture import box, grey_ramp
from tests.support.pictures import encoded, encoded_image, png_by_header, scene, with_orientation

ODD_VALUES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
MAX_SAMPLE = 3_000_000
SAMPLE_SHARE = 0.02
"""Share of the numbers that mutate a real photo, which takes as long as a hundred small pictures."""
HEADER_BYTES = 700


@functools.cache
def good() -> tuple[tuple[str, bytes], ...]:
    """Return a small picture in every supported format and variety."""
    plain = scene(120, 90)
    grey = Image.fromarray(plain).convert("L")
    alpha = Image.fromarray(plain).convert("RGBA")
    alpha.putalpha(grey)
    frames = [Image.fromarray(scene(60, 40, seed)) for seed in range(3)]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    wide = bytearray(profile)
    offset = wide.index(b"XYZ ", 132)
    wide[offset + 9] ^= 0x10  # no longer sRGB: the matrix kernel's, or lcms'
    more = {"save_all": True, "append_images": frames[1:], "duration": 50}
    deep = np.asarray(grey, np.uint16) * 257
    return (
        ("baseline.jpg", encoded(plain)),
        ("halves.jpg", encoded(plain, subsampling=2, quality=60)),
        ("progressive.jpg", encoded(plain, progressive=True)),
        ("grey.jpg", encoded_image(grey)),
        ("cmyk.jpg", encoded_image(Image.fromarray(plain).convert("CMYK"), subsampling=2)),
        ("turned.jpg", with_orientation(plain, 6)),
        ("profile.jpg", encoded(plain, icc_profile=bytes(wide))),
        ("restarts.jpg", encoded(plain, restart_marker_blocks=4)),
        ("preview.jpg", encoded(plain, "MPO", save_all=True, append_images=frames[:1])),
        ("plain.png", encoded(plain, "PNG")),
        ("deep.png", encoded_image(Image.fromarray(deep), "PNG")),
        ("palette.png", encoded_image(Image.fromarray(plain).quantize(64), "PNG", transparency=3)),
        ("alpha.png", encoded_image(alpha, "PNG", icc_profile=bytes(wide))),
        ("lossy.webp", encoded(plain, "WEBP")),
        ("lossless.webp", encoded_image(alpha, "WEBP", lossless=True)),
        ("moving.webp", encoded_image(frames[0], "WEBP", **more)),
        ("moving.gif", encoded_image(frames[0], "GIF", **more)),
        ("lzw.tiff", encoded(plain, "TIFF", compression="tiff_lzw")),
        ("deflate.tiff", encoded_image(alpha, "TIFF", compression="tiff_deflate")),
        ("jpeg.tiff", encoded(plain, "TIFF", compression="jpeg")),
        ("raw.tiff", encoded_image(Image.fromarray(deep), "TIFF")),
        ("plain.avif", encoded(plain, "AVIF")),
        ("alpha.avif", encoded_image(alpha, "AVIF")),
        ("plain.heic", grey_ramp()),
        ("turned.heic", grey_ramp(box(b"irot", b"\1"), box(b"imir", b"\0"))),
    )


@functools.cache
def samples() -> tuple[Path, ...]:
    """Return real photos of moderate size, including HEIC, if SLIDESHOW_SAMPLES names a folder."""
    folder = os.environ.get("SLIDESHOW_SAMPLES")
    if not folder:
        return ()
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and path.stat().st_size <= MAX_SAMPLE]
    return tuple(sorted(path for path in paths if path.suffix in (".jpg", ".heic", ".avif", ".webp", ".png", ".tiff")))


def mutated(number: int) -> tuple[str, bytes]:
    """Return the name and the bytes of the picture of this number."""
    chances = random.Random(number)
    if samples() and chances.random() < SAMPLE_SHARE:
        path = chances.choice(samples())
        name, data = path.name, bytearray(path.read_bytes())
    else:
        name, whole = chances.choice(good())
        data = bytearray(whole)
    mutate(data, chances)
    return f"{number}-{name}", bytes(data)


def mutate(data: bytearray, chances: random.Random) -> None:
    """Change `data` at one to three positions."""
    for _ in range(chances.choice((1, 1, 1, 2, 3))):
        chances.choice((_flip, _cut, _splice, _header, _header, _repeat, _blank, _insert))(data, chances)


def _offset(data: bytearray, chances: random.Random, *, early: bool = False) -> int:
    return chances.randrange(max(1, min(len(data), HEADER_BYTES) if early else len(data)))


def _flip(data: bytearray, chances: random.Random) -> None:
    early = chances.random() < 0.5
    for _ in range(chances.choice((1, 2, 8, 40)) if data else 0):
        data[_offset(data, chances, early=early)] ^= 1 << chances.randrange(8)


def _cut(data: bytearray, chances: random.Random) -> None:
    del data[_offset(data, chances) :]


def _splice(data: bytearray, chances: random.Random) -> None:
    _, donor = chances.choice(good())
    offset, begin = _offset(data, chances), chances.randrange(len(donor))
    piece = donor[begin : begin + chances.choice((4, 64, 4096))]
    data[offset : offset + chances.choice((0, len(piece)))] = piece


def _header(data: bytearray, chances: random.Random) -> None:
    offset, value = _offset(data, chances, early=True), chances.choice(ODD_VALUES)
    form = chances.choice((">H", "<H", ">I", "<I"))
    new = struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    data[offset : offset + len(new)] = new


def _repeat(data: bytearray, chances: random.Random) -> None:
    offset = _offset(data, chances)
    piece = data[offset : offset + chances.choice((2, 40, 1000))]
    data[offset:offset] = piece * chances.choice((1, 3, 200))


def _blank(data: bytearray, chances: random.Random) -> None:
    offset, size = _offset(data, chances), chances.choice((1, 16, 500))
    size = min(size, len(data) - offset)
    data[offset : offset + size] = bytes([chances.choice((0, 0xFF))]) * size


def _insert(data: bytearray, chances: random.Random) -> None:
    offset = _offset(data, chances, early=chances.random() < 0.5)
    data[offset:offset] = chances.randbytes(chances.choice((1, 3, 30)))


def bombs(*, large: bool) -> tuple[tuple[str, bytes], ...]:
    """Return small files that decode to, or declare, very large pictures; `large` ones have the maximum of pixels."""
    if large:
        black = Image.fromarray(np.zeros((9000, 11000), np.uint8))
        return (
            ("99-megapixels.png", encoded_image(black, "PNG", compress_level=1)),
            ("99-megapixels.webp", encoded_image(black, "WEBP", lossless=True, quality=0, method=0)),
            ("99-megapixels.jpg", encoded_image(black, "JPEG", quality=20)),
            ("99-megapixels.gif", encoded_image(black, "GIF")),
            ("49-megapixels-many-scans.jpg", many_scans(7000, 7000, 20_000)),
        )
    many = [Image.new("P", (8, 8), shade) for shade in range(200)]
    endless = {"save_all": True, "append_images": many * 5, "duration": 20}
    zeros = b"p\0\0" + zlib.compress(bytes(100_000_000), 1)
    return (
        ("huge-by-header.png", png_by_header(60_000, 60_000)),
        ("long-line.png", png_by_header(2**31 - 1, 1)),
        ("thin.png", encoded_image(Image.new("L", (60_000, 1)), "PNG")),
        ("thin.jpg", encoded_image(Image.new("RGB", (1, 65_500)), "JPEG")),
        ("one-pixel.gif", encoded_image(Image.new("P", (1, 1)), "GIF")),
        ("thousands-of-frames.gif", encoded_image(many[0], "GIF", **endless)),
        ("text.png", _with_chunk(encoded(scene(20, 20), "PNG"), b"zTXt", zeros)),
        ("profile.png", _with_chunk(encoded(scene(20, 20), "PNG"), b"iCCP", zeros)),
        ("many-scans.jpg", many_scans(2000, 2000, 4000)),
    )


def _with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """Return the picture with an additional chunk after its header (PNG specification, 5.3)."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:33] + chunk + png[33:]


def many_scans(width: int, height: int, scans: int) -> bytes:
    """Return a grey progressive JPEG with empty scans, each of which is a pass over the picture (ITU-T T.81, G).

    Every scan refines coefficients 1 to 63, and contains only runs of blocks without coefficients.
    """
    out = io.BytesIO()
    Image.new("L", (width, height), 128).save(out, "JPEG", progressive=True, quality=50)
    plain = out.getvalue()
    blocks = -(-width // 8) * -(-height // 8)
    # One code of one bit for the longest run, EOB14: 16384 blocks, and 14 bits for the number of further blocks.
    table = b"\xff\xc4" + struct.pack(">H", 20) + b"\x10" + bytes([1] + [0] * 15) + b"\xe0"
    bits, left = "", blocks
    while left >= 16_384:
        run = min(left, 32_767)
        bits += "0" + format(run - 16_384, "014b")
        left -= run
    bits += "1" * (-len(bits) % 8)
    coded = b"".join(bytes([int(bits[offset : offset + 8], 2)]) for offset in range(0, len(bits), 8))
    coded = coded.replace(b"\xff", b"\xff\0")
    scan = b"\xff\xda" + struct.pack(">H", 8) + b"\x01\x01\x00\x01\x3f\x10" + coded
    return plain[:-2] + table + scan * scans + plain[-2:]
