"""Files for e-paper panels, against fixtures from the documentation of panels and decoders that share no code.

The fixtures follow Waveshare's drivers (repository waveshareteam/e-Paper): the codes in their headers, and the loops of
`getbuffer` that put the first pixel into the highest bits.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from contract.panel_files import preview, with_palette
from contract.panels import PANELS, PanelName, PanelSetting, panel_setting
from processor.codecs.panel_file import encode_for_panel, panel_file
from tests.native.dither_twin import scene

# Panel; inks of rows in the order of the panel; their bytes. A row that ends within a byte is followed by zeros.
FIXTURES: list[tuple[PanelName, list[list[int]], str]] = [
    # epd7in3e.py: black 0, white 1, yellow 2, red 3, blue 5, green 6, four bits, first pixel << 4.
    ("spectra6", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]], "01 23 56 65 32 10"),
    ("spectra6", [[5, 0, 1]], "60 10"),
    # epd7in3f.py: black 0, white 1, green 2, blue 3, red 4, yellow 5, orange 6. Pixels 2, 5, 4, 6 are 0x25 0x46.
    ("acep7", [[2, 5, 4, 6, 0, 1, 3]], "25 46 01 30"),
    # epd7in3g.py: black 0, white 1, yellow 2, red 3, two bits, first pixel << 6.
    ("bwry", [[0, 1, 2, 3, 3]], "1B C0"),
    # epd7in5b_V2.py: the plane of command 0x10 has 1 for white, that of 0x13 has 1 for red; first pixel 0x80.
    ("bwr", [[0, 1, 2, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0, 2]], "61 80 00 80 20 00 00 80"),
    # epd4in2_V2.py, one bit: 1 is white, 0x80 >> x % 8.
    ("grey2", [[1, 0, 0, 0, 0, 0, 0, 1, 1, 1]], "81 C0"),
    # epd4in2_V2.py, four greys: 3 is white, two bits, first pixel in 0xC0.
    ("grey4", [[3, 2, 1, 0, 3]], "E4 C0"),
    # GUI_Paint.c, scale 16: first pixel << 4; 15 is white.
    ("grey16", [[15, 0, 1, 14]], "F0 1E"),
]


@pytest.mark.parametrize(("panel", "numbers", "expected"), FIXTURES)
def test_packed_rows_are_those_of_the_documentation(panel: PanelName, numbers: list[list[int]], expected: str) -> None:
    data = panel_file(np.array(numbers, np.uint8), PanelSetting(panel, "packed"))
    assert data.hex(" ").upper() == expected


def unpacked(data: bytes, width: int, height: int, panel: PanelName) -> list[list[int]]:
    """Decode packed rows bit by bit: return the number of the ink of each pixel."""
    codes = {"spectra6": [0, 1, 2, 3, 5, 6], "acep7": [0, 1, 2, 3, 4, 5, 6], "bwry": [0, 1, 2, 3], "grey2": [0, 1]}
    codes |= {"grey4": [0, 1, 2, 3], "grey16": list(range(16)), "bwr": [0, 1, 3]}
    bits = {"spectra6": 4, "acep7": 4, "grey16": 4, "bwry": 2, "grey4": 2, "grey2": 1, "bwr": 1}[panel]

    def plane(part: bytes) -> list[list[int]]:
        digits = "".join(f"{byte:08b}" for byte in part)
        stride = len(digits) // height
        return [
            [int(digits[y * stride + x * bits : y * stride + (x + 1) * bits], 2) for x in range(width)]
            for y in range(height)
        ]

    if panel == "bwr":
        first, second = plane(data[: len(data) // 2]), plane(data[len(data) // 2 :])
        return [
            [codes["bwr"].index(a + 2 * b) for a, b in zip(*rows, strict=True)]
            for rows in zip(first, second, strict=True)
        ]
    return [[codes[panel].index(code) for code in row] for row in plane(data)]


def png_pixels(data: bytes) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    """Decode an indexed PNG without filters by the specification: return the numbers and the palette."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    width, height, bits, colour_type, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (colour_type, rest) == (3, [0, 0, 0])
    raw = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + (width * bits + 7) // 8
    assert len(raw) == height * stride
    rows = []
    for y in range(height):
        line = raw[y * stride : (y + 1) * stride]
        assert line[0] == 0
        digits = "".join(f"{byte:08b}" for byte in line[1:])
        rows.append([int(digits[x * bits : (x + 1) * bits], 2) for x in range(width)])
    palette = chunks[b"PLTE"]
    return rows, [(palette[i], palette[i + 1], palette[i + 2]) for i in range(0, len(palette), 3)]


@pytest.mark.parametrize("panel", list(PANELS))
@pytest.mark.parametrize("size", [(9, 13), (4, 16), (1, 1)])
def test_all_containers_hold_the_same_picture(panel: PanelName, size: tuple[int, int]) -> None:
    model = PANELS[panel]
    height, width = size
    numbers = np.random.default_rng(5).integers(0, len(model.codes), size).astype(np.uint8)
    files = {name: panel_file(numbers, PanelSetting(panel, name)) for name in ("png", "packed", "bmp")}  # type: ignore[arg-type]
    assert unpacked(files["packed"], width, height, panel) == numbers.tolist()
    rows, palette = png_pixels(files["png"])
    assert rows == numbers.tolist()
    assert palette == list(model.nominal)
    colours = np.array(model.nominal, np.uint8)[numbers]
    for name in ("png", "bmp"):  # another decoder
        with Image.open(io.BytesIO(files[name])) as image:
            assert image.mode in ("P", "L", "1")
            assert (np.asarray(image.convert("RGB")) == colours).all()
    measured = np.array(model.measured, np.uint8)[numbers]
    for name in ("png", "packed", "bmp"):
        shown, _ = preview(files[name], PanelSetting(panel, name), width, height)  # type: ignore[arg-type]
        with Image.open(io.BytesIO(shown)) as image:
            assert (np.asarray(image.convert("RGB")) == measured).all()


@pytest.mark.parametrize("container", ["png", "bmp"])
def test_palette_is_exchanged_and_restored(container: str) -> None:
    setting = panel_setting("spectra6", container)
    assert setting is not None
    data = panel_file(np.arange(6, dtype=np.uint8).reshape(2, 3), setting)
    changed = with_palette(data, setting, "measured")
    assert changed != data
    assert with_palette(changed, setting, "nominal") == data


def test_custom_inks_are_their_own_palette() -> None:
    setting = panel_setting("custom", "png", ["#101010", "#C8C8C0", "#902020"])
    assert setting is not None
    data = encode_for_panel(scene(16, 20), setting)
    _, palette = png_pixels(data)
    assert palette == [(16, 16, 16), (200, 200, 192), (144, 32, 32)]
    assert with_palette(data, setting, "measured") == data


def test_preview_of_a_truncated_file_is_rejected() -> None:
    with pytest.raises(ValueError, match="not the 4 of this panel"):
        preview(b"\x00\x00\x00", PanelSetting("spectra6", "packed"), 4, 2)


def test_encoding_has_the_same_bytes_again() -> None:
    picture: NDArray[np.uint8] = scene(20, 30)
    for panel in PANELS:
        setting = PanelSetting(panel, "packed")
        assert encode_for_panel(picture, setting) == encode_for_panel(picture, setting)
