"""Matrix profiles: every kind of curve is read as in the standard, and the kernel converts like lcms."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageCms

from contract.colour.srgb import to_light
from processor.colour.icc import SRGB_COLUMNS, MatrixProfile, is_srgb, matrix_profile
from processor.colour.matrix import by_matrix
from tests.support.pictures import smooth

P3 = ((0.515102, 0.241182, -0.001050), (0.291965, 0.692236, 0.041882), (0.157153, 0.066582, 0.784378))
"""XYZ under D50 of the primaries of Display P3."""


def parametric(kind: int, *numbers: float) -> bytes:
    return struct.pack(f">4s4xH2x{len(numbers)}i", b"para", kind, *(round(number * 65536) for number in numbers))


def table(*points: int) -> bytes:
    return struct.pack(f">4s4xI{len(points)}H", b"curv", len(points), *points)


SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(curve: bytes, columns: tuple[tuple[float, ...], ...] = P3) -> bytes:
    """Return a display profile, version 4, with the same curve for all three channels."""
    tags = {b"wtpt": (0.9642, 1.0, 0.8249), **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True))}
    data = {tag: struct.pack(">4s4x3i", b"XYZ ", *(round(part * 65536) for part in xyz)) for tag, xyz in tags.items()}
    data |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    text = struct.pack(">4s4xIIHHII", b"mluc", 1, 12, 0x656E, 0x5553, 4, 28) + "P3".encode("utf-16-be")
    data |= {b"desc": text, b"cprt": text}
    entries, body, place = b"", b"", 132 + 12 * len(data)
    for tag, value in data.items():
        padded = value + bytes(-len(value) % 4)
        entries += struct.pack(">4sII", tag, place + len(body), len(value))
        body += padded
    header = struct.pack(">I4sI4s4s4s", place + len(body), b"none", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(36 - len(header)) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(data)) + entries + body


def read(curve: bytes) -> MatrixProfile:
    found = matrix_profile(profile(curve))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (table(), lambda x: x),
        (table(round(1.8 * 256)), lambda x: x ** (round(1.8 * 256) / 256)),
        (table(0, 32768, 65535), lambda x: x if x <= 0.5 else 0.5 + (x - 0.5)),
        (parametric(0, 2.2), lambda x: x**2.2),
        (parametric(1, 2.0, 1.25, -0.25), lambda x: (1.25 * x - 0.25) ** 2 if x >= 0.2 else 0.0),
        (parametric(2, 2.0, 1.0, -0.25, 0.125), lambda x: (x - 0.25) ** 2 + 0.125 if x >= 0.25 else 0.125),
        (SRGB_CURVE, to_light),
        (
            parametric(4, 2.0, 0.75, 0.25, 0.5, 0.5, -0.125, 0.0625),
            lambda x: (0.75 * x + 0.25) ** 2 - 0.125 if x >= 0.5 else 0.5 * x + 0.0625,
        ),
    ],
    ids=["none", "gamma", "table", "para 0", "para 1", "para 2", "para 3", "para 4"],
)
def test_matrix_profile_reads_every_kind_of_curve(curve: bytes, expected: object) -> None:
    assert callable(expected)
    for channel in read(curve).curves:
        for step in range(33):
            assert channel(step / 32) == pytest.approx(expected(step / 32), abs=1e-4)


@pytest.mark.parametrize("curve", [SRGB_CURVE, table(round(2.2 * 256)), parametric(0, 1.8)], ids=["srgb", "2.2", "1.8"])
def test_by_matrix_is_within_two_levels_of_lcms(curve: bytes) -> None:
    picture = smooth()
    found = by_matrix(picture, profile(curve))
    assert found is not None
    reference = ImageCms.profileToProfile(
        Image.fromarray(picture),
        ImageCms.ImageCmsProfile(io.BytesIO(profile(curve))),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    off = np.abs(found.astype(int) - np.asarray(reference))
    assert off.max() <= 2  # lcms works in 8-bit steps for speed where it can
    assert (off > 1).mean() < 0.001


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        profile(b"text\0\0\0\0nothing here"),
        profile(parametric(9, 1.0)),
        profile(table(0, 1)[:-2]),
        profile(SRGB_CURVE, ((9.0, 9.0, 9.0),) * 3),
        profile(SRGB_CURVE)[:200],
        profile(parametric(1, 2.0, 0.0, 1.0)),
    ],
    ids=["empty", "no curve", "unknown kind", "cut table", "no white", "cut off", "no slope"],
)
def test_by_matrix_other_profile_returns_none(junk: bytes) -> None:
    assert by_matrix(smooth(8, 8), junk) is None


@pytest.mark.parametrize("curve", [parametric(0, -1.0), parametric(3, -2.0, 1.0, 0.0, 1.0, 0.0)], ids=["0", "3"])
def test_is_srgb_curve_with_division_by_zero_is_false(curve: bytes) -> None:
    assert not is_srgb(profile(curve, SRGB_COLUMNS))
    assert by_matrix(smooth(8, 8), profile(curve, SRGB_COLUMNS)) is None


def test_matrix_profile_huge_tags_are_not_copied() -> None:
    honest = profile(SRGB_CURVE)
    lengths = bytes(4 * 1024 * 1024)
    entries = b"".join(struct.pack(">4sII", b"%04d" % number, 0, len(lengths)) for number in range(80))
    claiming = honest[:128] + struct.pack(">I", 80) + entries + lengths
    tracemalloc.start()
    try:
        assert matrix_profile(claiming) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000


def test_by_matrix_padded_profile_is_not_cached() -> None:
    from processor.colour.matrix import _tables

    before = _tables.cache_info().misses
    padded = profile(SRGB_CURVE) + bytes(1 << 20)
    found = by_matrix(smooth(8, 8), padded)
    assert found is not None
    assert np.array_equal(found, by_matrix(smooth(8, 8), profile(SRGB_CURVE)))
    assert _tables.cache_info().misses <= before + 1
