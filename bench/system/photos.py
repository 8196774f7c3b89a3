"""Photos for measurements of the whole system: copies that are different files, and small generated photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.core.samples import NoSamples, Photo

SOI = b"\xff\xd8"
COMMENT = 0xFE
LARGE_MEGAPIXELS = 12.0
_SMALL = (64, 48)
_TOLERANCE = 1.1


def with_comment(jpeg: bytes, text: str) -> bytes:
    """Return the same image as another file, with a comment segment (ITU-T T.81, B.2.4.5).

    Raises:
        ValueError: The bytes are not a JPEG file.
    """
    if not jpeg.startswith(SOI):
        raise ValueError("a comment can only be added to a JPEG file")
    comment = text.encode()
    return SOI + bytes((0xFF, COMMENT)) + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def nearest(photos: Sequence[Photo], wanted: float, share: float = _TOLERANCE) -> list[Path]:
    """Return the JPEG files of `wanted` megapixels within a factor of `share`, nearest first."""
    candidates = [
        (abs(photo.megapixels - wanted), photo.path)
        for photo in photos
        if photo.format == "jpeg" and wanted / share <= photo.megapixels <= wanted * share
    ]
    return [path for _, path in sorted(candidates)]


def copies(sources: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """Write `count` different files to `folder`, copied from `sources` in turn. Raises NoSamples if there are none."""
    if not sources:
        raise NoSamples("the samples contain no JPEG photo of the size that this case needs")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        source = sources[number % len(sources)]
        path = folder / f"{number:05d}-{source.stem}.jpg"
        path.write_bytes(with_comment(source.read_bytes(), f"copy {number}"))
        paths.append(path)
    return paths


def small_photos(count: int, folder: Path, seed: int) -> list[Path]:
    """Write `count` JPEG files of 64x48 pixels to `folder`, each with its own colours and noise."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    width, height = _SMALL
    paths = []
    for number in range(count):
        corners = random.integers(0, 256, (2, 2, 3)).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(smooth + random.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
        path = folder / f"small-{number:05d}.jpg"
        Image.fromarray(noisy).save(path, "JPEG", quality=85)
        paths.append(path)
    return paths
