"""Files of e-paper panels without decoding pixels: exchange the palette, and wrap packed rows into a PNG for a browser.

Pixels are packed from the highest bits of a byte, in PNG, BMP and packed rows alike.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from contract.panels import CUSTOM, PANELS, PaletteKind, PanelSetting, Rgb

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BMP_HEADER_BYTES = 54
"""File header and BITMAPINFOHEADER; the palette follows (Microsoft, "Bitmap Storage")."""
_ZLIB = (1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
"""Dithered pixels hardly compress. Against the default strategy at level 1, RLE took 3 ms instead of 5 for 800 x 480
pixels and saved 6 % of the bytes; level 6 would save 5 % more in 28 ms."""


def bit_depth(colours: int) -> int:
    """Return the bits of a pixel in a PNG of so many colours."""
    return 1 if colours <= 2 else 2 if colours <= 4 else 4


def png_file(rows: bytes, row_bytes: int, width: int, height: int, bits: int, palette: Sequence[Rgb]) -> bytes:
    """Return an indexed PNG (W3C, PNG third edition).

    Args:
        rows: Packed rows, `row_bytes` each.
        row_bytes: Bytes of a row.
        width: Pixels of a row.
        height: Number of rows.
        bits: 1, 2 or 4 bits for each pixel.
        palette: At most 2^`bits` colours.
    """
    filtered = bytearray(height * (row_bytes + 1))
    view, source = memoryview(filtered), memoryview(rows)
    for row in range(height):  # each row is preceded by the number of its filter: 0, none
        begin = row * (row_bytes + 1) + 1
        view[begin : begin + row_bytes] = source[row * row_bytes : (row + 1) * row_bytes]
    compressor = zlib.compressobj(*_ZLIB)
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)
    colours = b"".join(map(bytes, palette))
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours),
        (b"IDAT", compressor.compress(filtered) + compressor.flush()),
        (b"IEND", b""),
    )
    return PNG_SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bmp_file(rows: bytes, row_bytes: int, width: int, height: int, bits: int, palette: Sequence[Rgb]) -> bytes:
    """Return an uncompressed indexed BMP, whose rows go from the bottom to the top; `bits` is 1 or 4.

    The other arguments are those of `png_file`.
    """
    padding = bytes(-row_bytes % 4)
    pixels = b"".join(rows[row * row_bytes : (row + 1) * row_bytes] + padding for row in reversed(range(height)))
    colours = _bmp_palette(palette)
    offset = BMP_HEADER_BYTES + len(colours)
    header = struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(pixels), 0, 0, len(palette), 0)
    return header + info + colours + pixels


def _bmp_palette(palette: Sequence[Rgb]) -> bytes:
    return b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)


def with_palette(data: bytes, panel: PanelSetting, kind: PaletteKind) -> bytes:
    """Return a PNG or BMP file of this panel with another palette. Packed rows have none and are returned unchanged.

    Raises:
        ValueError: The file is not one of this panel.
    """
    palette = panel.palette(kind)
    if panel.container == "png":
        colours = b"".join(map(bytes, palette))
        begin = data.find(b"PLTE")
        if (
            not data.startswith(PNG_SIGNATURE)
            or begin < 0
            or data[begin - 4 : begin] != struct.pack(">I", len(colours))
        ):
            raise ValueError(f"the file is not a PNG with {len(palette)} colours")
        return data[: begin - 4] + _chunk(b"PLTE", colours) + data[begin + 8 + len(colours) :]
    if panel.container == "bmp":
        colours = _bmp_palette(palette)
        offset = BMP_HEADER_BYTES + len(colours)
        if data[:2] != b"BM" or struct.unpack_from("<I", data, 10) != (offset,):
            raise ValueError(f"the file is not a BMP with {len(palette)} colours")
        return data[:BMP_HEADER_BYTES] + colours + data[offset:]
    return data


def preview(data: bytes, panel: PanelSetting, width: int, height: int) -> tuple[bytes, str]:
    """Return a file that a browser shows as the panel looks, and its extension.

    Raises:
        ValueError: The file is not one of this panel.
    """
    if panel.container != "packed":
        return with_palette(data, panel, "measured"), panel.extension
    model = PANELS[panel.name]
    bits = model.bits or 2
    rows = data if model.bits else _joined_planes(data)
    row_bytes = -(-width * bits // 8)
    planes = 0 if model.bits else -(-width // 8)
    expected = height * (row_bytes if model.bits else 2 * planes)
    if panel.name == CUSTOM or len(data) != expected:
        raise ValueError(f"the file has {len(data):,} bytes, not the {expected:,} of this panel")
    by_code = dict(zip(model.codes, panel.measured, strict=True))
    palette = [by_code.get(code, (0, 0, 0)) for code in range(max(model.codes) + 1)]
    return png_file(rows, len(rows) // height, width, height, bits, palette), ".png"


_SPREAD = [sum((byte >> bit & 1) << 2 * bit for bit in range(8)) for byte in range(256)]


def _joined_planes(data: bytes) -> bytes:
    """Return rows of 2 bits from two planes of one bit: the first one is the lower bit."""
    half = len(data) // 2
    return b"".join(
        (_SPREAD[low] | _SPREAD[high] << 1).to_bytes(2, "big")
        for low, high in zip(data[:half], data[half:], strict=False)
    )
