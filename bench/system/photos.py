"""The photos that the whole system is measured with: copies that are all different files, and small ones made fast."""

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
_KEPT_SHARE = 1.1


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The same picture with a comment segment, and so another file (ITU-T T.81, B.2.4.5).

    Raises ValueError for bytes that are no JPEG file.
    """
    if not jpeg.startswith(SOI):
        raise ValueError("a comment can only be put into a JPEG file")
    words = text.encode()
    return SOI + bytes((0xFF, COMMENT)) + (len(words) + 2).to_bytes(2, "big") + words + jpeg[2:]


def nearest(photos: Sequence[Photo], wanted: float, share: float = _KEPT_SHARE) -> list[Path]:
    """The JPEG files of about `wanted` megapixels (within a factor of `share`), nearest first."""
    found = [
        (abs(photo.megapixels - wanted), photo.path)
        for photo in photos
        if photo.format == "jpeg" and wanted / share <= photo.megapixels <= wanted * share
    ]
    return [path for _, path in sorted(found)]


def copies(sources: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """`count` different files in `folder`, made of `sources` in turn. Raises NoSamples if there are none."""
    if not sources:
        raise NoSamples("among the samples is no JPEG photo of the size that this case wants")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        source = sources[number % len(sources)]
        path = folder / f"{number:05d}-{source.stem}.jpg"
        path.write_bytes(with_comment(source.read_bytes(), f"copy {number}"))
        made.append(path)
    return made


def small_photos(count: int, folder: Path, seed: int) -> list[Path]:
    """`count` JPEG files of 64x48 pixels in `folder`, each with colours and noise of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    width, height = _SMALL
    made = []
    for number in range(count):
        corners = random.integers(0, 256, (2, 2, 3)).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(smooth + random.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
        path = folder / f"small-{number:05d}.jpg"
        Image.fromarray(noisy).save(path, "JPEG", quality=85)
        made.append(path)
    return made
