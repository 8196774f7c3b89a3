"""Fixtures of the micro cases: one photo, and its stages. The photo is small when nothing is timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slideshow.demo.samples import SAMPLES, sample_photo

if TYPE_CHECKING:
    from processor.render.decoded_image import DecodedImage
    from processor.render.header import Header
    from processor.render.pipeline import RenderedImage

Benchmark = Callable[..., Any]
"""pytest-benchmark's fixture: calls a function, many times when it measures, and returns its result."""

MEASURED_MEGAPIXELS = 12.0
TEST_MEGAPIXELS = 0.5


@pytest.fixture(scope="session")
def photo(request: pytest.FixtureRequest) -> bytes:
    """A JPEG file as a phone writes it: 12 megapixels, or half a megapixel when nothing is timed."""
    untimed = request.config.getoption("benchmark_disable")
    picture = sample_photo(SAMPLES[0], TEST_MEGAPIXELS if untimed else MEASURED_MEGAPIXELS)
    data: bytes = picture.jpegsave_buffer(Q=90, subsample_mode="on")
    return data


@pytest.fixture(scope="session")
def header(photo: bytes) -> Header:
    """The photo's header."""
    from processor.render.header import read_header

    return read_header(photo, "sky.jpg")


@pytest.fixture
def decoded(photo: bytes, header: Header) -> DecodedImage:
    """The photo decoded at half its size, without further levels."""
    from processor.render.decode import decode

    return decode(photo, header, 2, "sky.jpg")


@pytest.fixture(scope="session")
def proxy(photo: bytes, header: Header) -> NDArray[np.uint8]:
    """The pixels that the palette is extracted from."""
    from processor.render.decode import decode
    from processor.render.palette import colour_pixels

    return np.ascontiguousarray(colour_pixels(decode(photo, header, 2, "sky.jpg")))


@pytest.fixture(scope="session")
def rendered(photo: bytes) -> RenderedImage:
    """The photo rendered for the default screens."""
    from contract.recipes import CENTRE
    from processor.render.pipeline import render_image
    from slideshow.photos.screens import DEFAULT_SCREENS

    return render_image(photo, DEFAULT_SCREENS, framing=CENTRE)
