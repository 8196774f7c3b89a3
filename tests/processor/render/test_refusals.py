"""Bad input is rejected with the right error and a message that names the file."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from processor.codecs.heif import HeifError, decode_heic
from processor.errors import (
    BrokenPixels,
    NotAllowed,
    NotAnImage,
    RenderError,
    TooManyPixels,
    printable_name,
)
from processor.render.header import read_header
from processor.render.limits import Limits
from processor.render.pipeline import render_image
from tests.support.pictures import ONE, encoded, encoded_image, png_by_header, scene

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", NotAnImage, "is empty"),
        (b"just some text", NotAnImage, "is not an image"),
        (b"\x89PNG", NotAnImage, "is not an image"),
        (SVG, NotAllowed, "an SVG drawing"),
        (b"  <svg/>", NotAllowed, "an SVG drawing"),
        (b"%PDF-1.7\n", NotAllowed, "a PDF document"),
        (b"<!DOCTYPE html><html>", NotAllowed, "a web page"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42", NotAllowed, "a video"),
        (b"BM" + b"\0" * 60, NotAllowed, "a BMP image"),
        (b"\xff\xd8\xff\xe0 and then nothing", BrokenPixels, "damaged header"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", BrokenPixels, "damaged header"),
        (b"GIF89a\xff\xff\xff\xff\0\0\0", BrokenPixels, "damaged header"),
    ],
)
def test_render_image_other_file_raises_with_its_name(data: bytes, error: type[RenderError], words: str) -> None:
    with pytest.raises(error) as caught:
        render_image(data, ONE, name="holiday.jpg")
    sentence = str(caught.value)
    assert sentence.startswith("holiday.jpg ")
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert caught.value.temporary is False


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_render_image_truncated_file_raises(kind: str, share: float) -> None:
    whole = encoded(scene(500, 400), kind)
    render_image(whole, ONE)
    with pytest.raises(BrokenPixels, match=r"^cut\.bin (is damaged or cut off|has a damaged header)"):
        render_image(whole[: int(len(whole) * share)], ONE, name="cut.bin")


def test_render_image_truncated_progressive_jpeg_raises() -> None:
    whole = encoded(scene(500, 400), progressive=True)
    # The decoder's own words are not compared: libvips has one buffer for the errors of all threads.
    with pytest.raises(BrokenPixels, match="damaged or cut off"):
        render_image(whole[: len(whole) // 2], ONE)


def test_render_image_damaged_png_raises() -> None:
    data = bytearray(encoded(scene(500, 400), "PNG"))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    with pytest.raises(BrokenPixels):
        render_image(bytes(data), ONE)


def test_decode_heic_invalid_content_raises() -> None:
    with pytest.raises(HeifError):
        decode_heic(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), 1)


def test_render_image_pixel_bomb_raises_from_its_header() -> None:
    began = time.monotonic()
    with pytest.raises(TooManyPixels) as caught:
        render_image(png_by_header(40_000, 30_000), ONE, name="bomb.png")
    assert time.monotonic() - began < 1
    assert "bomb.png has 40000 x 30000 pixels (1200 megapixels); a photo may have 110." in str(caught.value)


@pytest.mark.server
def test_a_bomb_takes_no_memory() -> None:
    script = (
        "import sys, resource\n"
        "from processor.render.pipeline import render_image\n"
        "from processor.errors import TooManyPixels\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "data = sys.stdin.buffer.read()\n"
        "before = peak()\n"
        "try:\n    render_image(data, ())\n"
        "except TooManyPixels:\n    print(peak() - before)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=png_by_header(60_000, 60_000),
        capture_output=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert int(ran.stdout) < 20_000  # KiB


def test_read_header_progressive_jpeg_has_a_limit_of_its_own() -> None:
    picture = scene(400, 300)
    limits = Limits(max_pixels=200_000, max_progressive_pixels=100_000)
    assert read_header(encoded(picture), "x", limits).width == 400
    with pytest.raises(TooManyPixels, match=r"a progressive JPEG may have 0\.1"):
        read_header(encoded(picture, progressive=True), "x", limits)
    with pytest.raises(TooManyPixels):
        read_header(encoded(picture), "x", Limits(max_pixels=119_999))
    assert read_header(encoded(picture), "x", Limits(max_pixels=120_000)).height == 300


def test_read_header_animation_counts_one_frame() -> None:
    frames = [Image.fromarray(np.full((30, 40, 3), shade, np.uint8)) for shade in range(0, 200, 5)]
    data = encoded_image(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_header(data, "x", Limits(max_pixels=1200)).pages == 40


def test_render_error_pickle_round_trip() -> None:
    error = BrokenPixels("a.jpg", "is damaged", "Send it again")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is BrokenPixels
    assert str(back) == str(error) == "a.jpg is damaged. Send it again."


def test_printable_name_replaces_control_characters() -> None:
    assert printable_name("a\nb\x1b[31m.jpg") == "a?b?[31m.jpg"
    assert printable_name("") == "the image"
    assert len(printable_name("x" * 500)) == 120
