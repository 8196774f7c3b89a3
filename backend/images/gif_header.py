"""The size of a GIF, without Pillow: that one makes room for the first frame's pixels before it tells any size.

By the GIF89a specification, sections 18 to 20 and 23 to 26: the logical screen, then blocks up to the first image.
"""

from __future__ import annotations

import struct

STARTS = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_SCREEN_END = 13
_MAX_START = 1 << 20
"""Bytes, of which comments before the first frame may take their part; nobody reads on for ever."""


def gif_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the canvas: the logical screen, or more where the first frame reaches beyond it.

    Raises ValueError if `data` is no GIF with a frame.
    """
    try:
        return _read(data[:_MAX_START])
    except (struct.error, IndexError):
        raise ValueError("it ends, or goes on for long, before its first frame") from None


def _read(data: bytes) -> tuple[int, int]:
    if not data.startswith(STARTS):
        raise ValueError("it does not begin like a GIF")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place = _SCREEN_END + _colours_bytes(flags)
    while (kind := data[place]) != _IMAGE:
        if kind == _TRAILER:
            raise ValueError("it has no frame")
        if kind == _EXTENSION:
            place += 2
            while block := data[place]:
                place += 1 + block
        place += 1  # also over what is no block: some programs leave a byte too many between two
    left, top, frame_width, frame_height, _ = struct.unpack_from("<HHHHB", data, place + 1)
    return max(width, left + frame_width), max(height, top + frame_height)


def _colours_bytes(flags: int) -> int:
    """How long the table of colours is that the flags of a screen tell of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
