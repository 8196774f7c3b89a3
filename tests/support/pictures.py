"""Generated photos for the tests of rendering, and the devices of the demo."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contract.messages.processing import Device

DEVICES = tuple(
    Device(name=name, width=width, height=height)
    for name, width, height in (
        ("small-landscape", 800, 480),
        ("medium-landscape", 1024, 600),
        ("large-landscape", 1920, 1080),
        ("small-portrait", 480, 800),
        ("medium-portrait", 600, 1024),
    )
)
# The same shapes at half the size, for tests that render many photos.
HALVES = tuple(Device(name=d.name, width=d.width // 2, height=d.height // 2) for d in DEVICES)
ONE = (Device(name="one", width=320, height=200),)

# For each EXIF orientation, the transformation that it reverses.
STORED_FOR = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def scene(width: int, height: int, seed: int = 7) -> NDArray[np.uint8]:
    """Return an asymmetric image like a photo, (height, width, 3): gradients, soft and sharp edges, fine texture."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width, y / height
    base = np.stack([90 + 120 * u, 140 - 60 * v + 40 * u, 190 - 130 * v], axis=-1)
    for _ in range(14):
        cx, cy, radius = random.random(), random.random(), 0.03 + 0.15 * random.random()
        distance = np.hypot((u - cx) * width / height, v - cy) / radius
        inside = np.clip((1 - distance) * random.choice([3.0, 40.0]), 0, 1)[..., None]
        base = base * (1 - inside) + random.integers(0, 256, 3) * inside
    waves = 18 * np.sin(x * 0.21 + 3 * v) * np.sin(y * 0.17 + 5 * u) + 10 * np.sin((x + y) * 0.05)
    grain = random.normal(0, 1.5, (height, width))
    result: NDArray[np.uint8] = np.clip(base + (waves + grain)[..., None], 0, 255).astype(np.uint8)
    return result


def encoded(pixels: NDArray[Any], kind: str = "JPEG", **options: Any) -> bytes:
    """Encode `pixels` with Pillow."""
    return encoded_image(Image.fromarray(pixels), kind, **options)


def encoded_image(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0, **options}
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_orientation(upright: NDArray[np.uint8], orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    """Encode a file that shows `upright` after its EXIF orientation is applied."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(np.ascontiguousarray(STORED_FOR[orientation](upright)), kind, exif=exif, **options)


def pixels_of(jpeg: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG file to (h, w, 3) with Pillow, which shares no code path with the renderer."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("RGB"))


def png_by_header(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header declares `width` x `height` pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def smooth(width: int = 320, height: int = 200) -> np.ndarray:
    """Return colours from the whole cube without edges, which JPEG and chroma subsampling hardly change."""
    y, x = np.mgrid[0:height, 0:width]
    u, v = x / width, y / height
    return np.stack([255 * u, 255 * v, 255 * (1 - u) * (0.3 + 0.7 * v)], axis=-1).astype(np.uint8)
