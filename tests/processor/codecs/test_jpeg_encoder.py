"""The JPEG encoder, compared with libvips at the same settings: the same file, to the last byte."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imagecodecs import Jpeg8Error
from numpy.typing import NDArray

from processor.codecs import jpeg
from processor.codecs.jpeg import DEVICE, THUMBNAIL, encode_plain
from processor.codecs.vips import image_of


def by_libvips(picture: NDArray[np.uint8], quality: int) -> bytes:
    file: bytes = image_of(picture).jpegsave_buffer(
        Q=quality,
        subsample_mode="on",
        optimize_coding=False,
        interlace=False,
        trellis_quant=False,
        keep="none",
    )
    return file


def picture_of(height: int, width: int, seed: int, contrast: float) -> NDArray[np.uint8]:
    """Return a gradient with noise: from nearly flat to noise only, whose codes need stuffed bytes."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 255, height * width).reshape(height, width, 1)
    noise = rng.normal(0, 1, (height, width, 3)) * 128 * contrast
    return np.clip(slope * (1 - contrast) + 128 * contrast + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("profile", [DEVICE, THUMBNAIL], ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 40), (40, 1), (7, 9), (8, 8), (15, 17), (16, 16), (200, 200), (480, 800), (1023, 601)],
)
def test_encode_plain_common_sizes_equals_libvips(height: int, width: int, profile: object) -> None:
    quality = DEVICE.quality if profile is DEVICE else THUMBNAIL.quality
    for contrast in (0.0, 0.1, 1.0):
        picture = picture_of(height, width, height * width, contrast)
        assert encode_plain(picture, quality) == by_libvips(picture, quality)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    contrast=st.floats(0, 1),
    quality=st.integers(1, 100),
)
def test_encode_plain_any_size_and_quality_equals_libvips(
    height: int, width: int, seed: int, contrast: float, quality: int
) -> None:
    picture = picture_of(height, width, seed, contrast)
    assert encode_plain(picture, quality) == by_libvips(picture, quality)


def test_encode_plain_writes_no_metadata() -> None:
    file = encode_plain(picture_of(64, 64, 1, 0.3), 90)
    assert file[:4] == b"\xff\xd8\xff\xdb"  # straight to the quantization tables: no APPn, no comment
    assert file[-2:] == b"\xff\xd9"


def test_encode_plain_on_four_threads_gives_the_same_files() -> None:
    pictures = [picture_of(240, 320, seed, 0.2) for seed in range(4)]
    expected = [by_libvips(picture, 90) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            assert list(pool.map(lambda picture: encode_plain(picture, 90), pictures)) == expected


def test_encode_plain_without_memory_raises_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(*_: object, **__: object) -> bytes:
        raise Jpeg8Error("jpeg_start_compress", "Insufficient memory (case 10)")

    monkeypatch.setattr(jpeg, "jpeg8_encode", starved)
    with pytest.raises(MemoryError, match="no memory to encode"):
        encode_plain(picture_of(8, 8, 1, 0.5), 90)


@pytest.mark.server
def test_a_codec_that_cannot_be_loaded_ends_the_program_as_it_starts() -> None:
    program = (
        "import sys, imagecodecs\n"
        "sys.modules['imagecodecs._jpeg8'] = None\n"
        "try:\n    import processor.codecs.jpeg\n"
        "except ImportError as error:\n    sys.exit(str(error))\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 1
    assert "jpeg8" in process.stderr.lower()


def test_encode_plain_invalid_shape_raises() -> None:
    with pytest.raises(ValueError, match=r"shape|samples|colorspace"):
        encode_plain(np.zeros((4, 4, 5), np.uint8), 90)
    with pytest.raises(Exception, match=r"(?i)dimension|width|size|image"):
        encode_plain(np.zeros((1, 65_600, 3), np.uint8), 90)
