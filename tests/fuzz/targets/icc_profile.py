"""Colour profiles, which this project parses before it passes them to a library."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from PIL import ImageCms

from contract.colour.srgb import to_light
from processor.colour.icc import SRGB_COLUMNS, is_srgb, matrix_profile
from processor.colour.matrix import by_matrix

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def profile(curve: bytes) -> bytes:
    """Return a matrix profile with this curve for each channel and the columns of sRGB (ICC.1:2022, section 7)."""
    columns = [b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in column)) for column in SRGB_COLUMNS]
    bodies = [*columns, curve, curve, curve]
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    offset = 132 + 12 * len(names)
    table, content = struct.pack(">I", len(names)), b""
    for name, body in zip(names, bodies, strict=True):
        table += struct.pack(">4sII", name, offset + len(content), len(body))
        content += body
    head = struct.pack(">I4sI4s4s4s", offset + len(content), b"none", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    return (head + bytes(12) + b"acsp").ljust(128, b"\0") + table + content


def seeds() -> Sequence[bytes]:
    numbers = [round(value * 65536) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0)]
    curves = [
        b"curv\0\0\0\0" + struct.pack(">I", 0),
        b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)),
        b"curv\0\0\0\0" + struct.pack(">I17H", 17, *(round(to_light(step / 16) * 65535) for step in range(17))),
        *(
            b"para\0\0\0\0" + struct.pack(f">HH{count}i", kind, 0, *numbers[:count])
            for kind, count in enumerate((1, 3, 4, 5, 7))
        ),
    ]
    return [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), *map(profile, curves)]


def check(data: bytes) -> None:
    parsed = matrix_profile(data)
    assert is_srgb(data) in (True, False)
    converted = by_matrix(PIXELS, data)
    assert converted is None or (converted.shape == PIXELS.shape and converted.dtype == np.uint8)
    assert parsed is not None or (converted is None and not is_srgb(data))
