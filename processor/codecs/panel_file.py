"""Encode a picture for an e-paper panel: dither it, and pack the inks into PNG, BMP or rows of the panel's codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contract.panel_files import bit_depth, bmp_file, png_file
from contract.panels import PANELS, PanelSetting
from native import dither_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode_for_panel(pixels: NDArray[np.uint8], panel: PanelSetting) -> bytes:
    """Return the file of a picture for a panel, with the palette of nominal colours.

    A pair of photos has to be joined before: errors are carried across the gap, and both get the same tones.

    Args:
        pixels: sRGB, uint8 of shape (height, width, 3).
        panel: The panel, its container and inks.
    """
    return panel_file(dither_picture(pixels, panel.measured), panel)


def panel_file(numbers: NDArray[np.uint8], panel: PanelSetting) -> bytes:
    """Return the file of a dithered picture: the number of an ink for each pixel, uint8 of shape (height, width)."""
    height, width = numbers.shape
    palette = panel.nominal
    if panel.container == "packed":
        model = PANELS[panel.name]
        codes: NDArray[np.uint8] = np.array(model.codes, np.uint8)[numbers]
        if model.bits:
            return packed(codes, model.bits)
        return packed(codes & np.uint8(1), 1) + packed(codes >> np.uint8(1), 1)
    bits = bit_depth(len(palette))
    if panel.container == "bmp":
        bits = 1 if bits == 1 else 4  # BMP has no 2 bits
    rows = packed(numbers, bits)
    write = bmp_file if panel.container == "bmp" else png_file
    return write(rows, len(rows) // height, width, height, bits, palette)


def packed(codes: NDArray[np.uint8], bits: int) -> bytes:
    """Return rows of codes of 1, 2 or 4 bits, the first pixel in the highest bits; a row ends with a whole byte."""
    if bits == 1:
        return np.packbits(codes, axis=1).tobytes()
    per_byte = 8 // bits
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % per_byte)))
    parts = [padded[:, first::per_byte] << (8 - bits * (first + 1)) for first in range(per_byte)]
    rows: NDArray[np.uint8] = np.bitwise_or.reduce(parts)
    return rows.tobytes()
