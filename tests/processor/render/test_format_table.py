"""Every cell of the table of formats and properties in docs/formats.md, with a file that has the property."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from processor.render.decode import decode
from processor.render.header import read_header
from tests.processor.render.test_declared_colour import OPTIONS, declared, gbr_avif, one_colour_heic, photo, png
from tests.support.colour_files import (
    PATCHES,
    delta_e,
    encode,
    gray_profile,
    patch_image,
    patches_of,
    rgb_profile,
)
from tests.support.heic_picture import heic
from tests.support.pictures import encoded, encoded_image

FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "AVIF", "HEIC")
GREY = np.repeat(PATCHES.mean(axis=1, keepdims=True), 3, axis=1)
_DOCUMENT = Path(__file__).parents[3] / "docs" / "formats.md"

pytestmark = pytest.mark.slow


def cells() -> list[tuple[str, str, str]]:
    """Return (property, format, cell) of the table."""
    rows = re.findall(r"^\| ([^|]+?) ((?:\| (?:yes|no) ){7})\|$", _DOCUMENT.read_text(), re.MULTILINE)
    return [
        (name, kind, cell.strip(" |"))
        for name, row in rows
        for kind, cell in zip(FORMATS, re.findall(r"\| (?:yes|no) ", row), strict=True)
    ]


def turned(kind: str) -> bool:
    """Return whether EXIF orientation 6 turns a file of this format."""
    exif = Image.Exif()
    exif[0x0112] = 6
    if kind == "HEIC":
        luma, chroma = np.full((32, 32), 128, np.uint8), np.full((16, 16), 128, np.uint8)
        data = heic(luma, chroma, chroma)
        return read_header(data, "x").orientation != 1
    options = OPTIONS.get(kind.upper(), {})
    data = encoded(patch_image(PATCHES), kind, **({} if kind == "GIF" else {"exif": exif}), **options)
    if kind == "AVIF":  # Pillow writes `irot` and `imir` for it, which the decoder applies
        data = data.replace(b"irot", b"free").replace(b"imir", b"free")
    return read_header(data, "x").upright_width == 256


def with_colour(kind: str, signal: np.ndarray, expected: np.ndarray, **options: object) -> bool:
    """Return whether a file with these declarations comes back as `expected`."""
    if kind == "HEIC":
        box = options["box"]
        assert isinstance(box, bytes)
        y = signal @ [0.299, 0.587, 0.114]
        planes = np.stack([y, (signal[:, 2] - y) / 1.772, (signal[:, 0] - y) / 1.402], axis=-1)
        planes = planes * [219, 224, 224] + [16, 128, 128]
        found = np.array([shown(one_colour_heic(ycc, box))[16, 16] for ycc in planes]) / 255
    else:
        options.pop("box", None)
        found = patches_of(shown(photo(signal, kind.upper(), **options)))
    return bool(delta_e(found, expected).mean() < 1.5)


def shown(data: bytes) -> np.ndarray:
    return decode(data, read_header(data, "x"), 1, "x").pixels


def rgb_profiled(kind: str) -> bool:
    if kind == "GIF":
        return False
    profile = rgb_profile(12, 5)
    return with_colour(kind, encode(PATCHES, 12, 5), PATCHES, **_profile(kind, profile))


def grey_profiled(kind: str) -> bool:
    if kind == "GIF":
        return False
    light = np.where(GREY <= 0.04045, GREY / 12.92, ((GREY + 0.055) / 1.055) ** 2.4)
    if kind in ("JPEG", "PNG", "TIFF"):
        image = Image.fromarray(patch_image(light ** (1 / 1.6))).convert("L")
        data = encoded_image(image, kind, icc_profile=gray_profile(1.6), **OPTIONS[kind])
        return bool(delta_e(patches_of(shown(data)), GREY).mean() < 1.5)
    return with_colour(kind, light ** (1 / 1.6), GREY, **_profile(kind, gray_profile(1.6)))


def _profile(kind: str, profile: bytes) -> dict[str, object]:
    return {"box": b"colrprof" + profile} if kind == "HEIC" else {"icc_profile": profile}


def by_code_points(kind: str) -> bool:
    signal = encode(PATCHES, 12, 13)
    if kind == "PNG":
        data = png(patch_image(signal), (b"cICP", bytes([12, 13, 0, 1])))
    elif kind == "AVIF":
        data = declared(gbr_avif(patch_image(signal)), 12, 13, 0)
    elif kind == "HEIC":
        return with_colour(kind, signal, PATCHES, box=b"colrnclx" + struct.pack(">HHHB", 12, 13, 6, 0))
    else:
        return False  # the format has no place for them
    return bool(delta_e(patches_of(shown(data)), PATCHES).mean() < 1.5)


CHECKS: dict[str, Callable[[str], bool]] = {
    "EXIF orientation is applied": turned,
    "ICC profile for RGB": rgb_profiled,
    "ICC profile for grey": grey_profiled,
    "Code points (H.273)": by_code_points,
}


def test_the_table_has_every_property_and_format() -> None:
    assert {(name, kind) for name, kind, _ in cells()} == {(name, kind) for name in CHECKS for kind in FORMATS}


@pytest.mark.parametrize(("name", "kind", "cell"), cells())
def test_cell(name: str, kind: str, cell: str) -> None:
    assert CHECKS[name](kind) is (cell == "yes")
