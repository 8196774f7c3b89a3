"""JPEG files that are complete but imperfect: without an end marker, with extraneous bytes, with a trailer."""

from __future__ import annotations

import pytest

from processor.errors import BrokenPixels
from processor.render.pipeline import render_image
from tests.support.pictures import ONE, encoded, scene

KINDS: list[dict[str, object]] = [{}, {"progressive": True}, {"subsampling": 2}]


def rendered(data: bytes) -> bytes:
    return render_image(data, ONE, name="x").variants[0].data


@pytest.mark.parametrize("options", KINDS)
def test_missing_end_marker_changes_nothing(options: dict[str, object]) -> None:
    data = encoded(scene(640, 400), **options)
    assert rendered(data[:-2]) == rendered(data[:-1]) == rendered(data)


@pytest.mark.parametrize("cut", [3, 20, 200])
@pytest.mark.parametrize("options", KINDS)
def test_missing_pixels_are_an_error(options: dict[str, object], cut: int) -> None:
    with pytest.raises(BrokenPixels, match="is damaged or cut off"):
        rendered(encoded(scene(640, 400), **options)[:-cut])


def test_progressive_file_without_its_last_scan_is_an_error() -> None:
    data = encoded(scene(640, 400), progressive=True)
    with pytest.raises(BrokenPixels, match="is damaged or cut off"):
        rendered(data[: data.rindex(b"\xff\xda")])


def test_extraneous_bytes_and_trailers_change_nothing() -> None:
    data = encoded(scene(640, 400))
    odd = data[:20] + b"\0\1" + data[20:-2] + b"\0\1\2" + data[-2:] + b"trailer" * 50
    assert rendered(odd) == rendered(data)
    short = data[:2] + b"\xff\xe0\0\5JFI" + data[20:]
    assert rendered(short) == rendered(data)
