"""Header check, decode by shrink, the resize methods, the encoder profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import native
from processor.codecs import jpeg
from processor.codecs.vips import image_of, pixels_of
from processor.render.decode import decode
from processor.render.decoded_image import DecodedImage, cut
from processor.render.header import Header, read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bench.micro.conftest import Benchmark

SCREEN = (800, 480)


def test_read_header(benchmark: Benchmark, photo: bytes) -> None:
    assert benchmark(read_header, photo, "sky.jpg").loader == "jpeg"


@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_decode_by_shrink(benchmark: Benchmark, photo: bytes, header: Header, shrink: int) -> None:
    decoded = benchmark(decode, photo, header, shrink, "sky.jpg")
    assert decoded.pixels.shape[0] == -(-header.height // shrink)


def native_whole(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return native.resize(pixels, *SCREEN)


def native_from_half(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return native.resize(native.halve(pixels), *SCREEN)


def vips_resize(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = image_of(pixels)
    return pixels_of(image.resize(SCREEN[0] / image.width, vscale=SCREEN[1] / image.height, kernel="lanczos3"))


def vips_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels_of(image_of(pixels).thumbnail_image(SCREEN[0], height=SCREEN[1], size="force"))


def pillow_resize(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize(SCREEN, Image.Resampling.LANCZOS))


@pytest.mark.parametrize("way", [native_whole, native_from_half, vips_resize, vips_thumbnail, pillow_resize])
def test_resize_strategies(benchmark: Benchmark, decoded: DecodedImage, way: Callable[..., Any]) -> None:
    small = benchmark(way, decoded.pixels)
    assert small.shape == (SCREEN[1], SCREEN[0], 3)
    # All methods produce visually equal images.
    assert np.abs(small.astype(float) - native_whole(decoded.pixels)).mean() < 3


def test_cut_one_screen(benchmark: Benchmark, photo: bytes, header: Header) -> None:
    """Include the smaller levels, which the first variant of a photo computes."""
    pixels = decode(photo, header, 2, "sky.jpg").pixels

    def cut_with_levels() -> NDArray[np.uint8]:
        return cut(DecodedImage(pixels, None, 1 / 2, 1 / 2), header, *SCREEN)

    assert benchmark(cut_with_levels).shape == (SCREEN[1], SCREEN[0], 3)


@pytest.mark.parametrize("profile", [jpeg.DEVICE, jpeg.THUMBNAIL], ids=lambda profile: profile.name)
def test_encode_profiles(benchmark: Benchmark, decoded: DecodedImage, profile: jpeg.JpegProfile) -> None:
    size = (1920, 1080) if profile is jpeg.DEVICE else (200, 200)
    picture = native.resize(decoded.pixels, *size)
    file = benchmark(profile.encode, picture)
    assert file.startswith(b"\xff\xd8")
    assert len(file) > 1000
