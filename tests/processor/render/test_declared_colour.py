"""Every declaration of colour in every format, against values that are computed here in float.

24 patches inside of sRGB are encoded as the declaration says, and must come back: mean delta E 2000 at most 1.0
before the JPEG encoder, and 2.5 after it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from processor.render.decode import decode
from processor.render.header import read_header
from processor.render.pipeline import render_image
from tests.support.colour_files import (
    PATCHES,
    PRIMARIES,
    adobe_exif,
    delta_e,
    encode,
    gray_profile,
    patch_image,
    patches_of,
    rgb_profile,
    shown,
    tone_mapped,
)
from tests.support.heic_picture import heic
from tests.support.pictures import ONE, encoded, encoded_image, pixels_of

pytestmark = pytest.mark.slow

SDR = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]


def decoded(data: bytes) -> NDArray[np.uint8]:
    return decode(data, read_header(data, "x"), 1, "x").pixels


def check(data: bytes, expected: NDArray[np.float64] = PATCHES, limit: float = 1.0) -> None:
    """Compare the patches of a file with `expected`, sRGB of shape (24, 3), before and after JPEG."""
    found = delta_e(patches_of(decoded(data)), expected)
    assert found.mean() <= limit, found.round(1)
    variant = pixels_of(render_image(data, [ONE[0].__class__(name="whole", width=384, height=256)]).variants[0].data)
    assert delta_e(patches_of(variant), expected).mean() <= 2.5


def png(pixels: NDArray[np.uint8], *chunks: tuple[bytes, bytes]) -> bytes:
    data = encoded(pixels, "PNG")
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return data[:33] + extra + data[33:]


def avif(pixels: NDArray[np.uint8], points: bytes | None, **options: object) -> bytes:
    data = encoded(pixels, "AVIF", **{"quality": 100, "subsampling": "4:4:4", **options})
    at = data.index(b"colrnclx")
    return data if points is None else data[: at + 8] + points + data[at + 15 :]


@pytest.mark.parametrize("transfer", SDR)
@pytest.mark.parametrize("primaries", [1, 9])
def test_png_cicp_transfer(primaries: int, transfer: int) -> None:
    check(png(patch_image(encode(PATCHES, primaries, transfer)), (b"cICP", bytes([primaries, transfer, 0, 1]))))


@pytest.mark.parametrize("primaries", sorted(PRIMARIES))
def test_png_cicp_primaries(primaries: int) -> None:
    check(png(patch_image(encode(PATCHES, primaries, 13)), (b"cICP", bytes([primaries, 13, 0, 1]))))


def test_png_cicp_outranks_profile_and_limited_range_is_stretched() -> None:
    wrong = (b"iCCP", b"p\0\0" + zlib.compress(rgb_profile(9, 13)))
    pixels = patch_image(encode(PATCHES, 12, 13))
    check(png(pixels, (b"cICP", bytes([12, 13, 0, 1])), wrong))
    limited = patch_image(16 / 255 + encode(PATCHES, 12, 13) * 219 / 255)
    check(png(limited, (b"cICP", bytes([12, 13, 0, 0]))))


@pytest.mark.parametrize("value", [2, 0, 3, 23, 255])
def test_png_cicp_reserved_values_count_as_absent(value: int) -> None:
    check(png(patch_image(PATCHES), (b"cICP", bytes([value, value, 0, 1]))))
    check(png(patch_image(encode(PATCHES, 12, 13)), (b"cICP", bytes([12, value, 0, 1]))))


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2, 2.6])
def test_png_gamma_alone_and_with_chromaticities(gamma: float) -> None:
    value = struct.pack(">I", round(100_000 / gamma))
    linear = np.where(PATCHES <= 0.04045, PATCHES / 12.92, ((PATCHES + 0.055) / 1.055) ** 2.4)
    check(png(patch_image(linear ** (1 / gamma)), (b"gAMA", value)))
    wide = encode(PATCHES, 12, 8)
    red, green, blue, white = (*PRIMARIES[12][0], PRIMARIES[12][1])
    chroma = struct.pack(">8I", *(round(100_000 * part) for pair in (white, red, green, blue) for part in pair))
    check(png(patch_image(np.clip(wide, 0, 1) ** (1 / gamma)), (b"gAMA", value), (b"cHRM", chroma)), limit=1.0)
    check(png(patch_image(PATCHES), (b"sRGB", b"\0"), (b"gAMA", value), (b"cHRM", chroma)))


@pytest.mark.parametrize("chunks", [[(b"gAMA", bytes(4))], [(b"cHRM", bytes(32))], [(b"gAMA", b"\xff" * 4)]])
def test_png_senseless_numbers_are_ignored(chunks: list[tuple[bytes, bytes]]) -> None:
    check(png(patch_image(PATCHES), *chunks))


@pytest.mark.parametrize("transfer", SDR)
def test_avif_nclx_transfer(transfer: int) -> None:
    check(declared(gbr_avif(patch_image(encode(PATCHES, 12, transfer))), 12, transfer, 0))


@pytest.mark.parametrize("primaries", sorted(PRIMARIES))
def test_avif_nclx_primaries(primaries: int) -> None:
    check(declared(gbr_avif(patch_image(encode(PATCHES, primaries, 13))), primaries, 13, 0))


def declared(data: bytes, primaries: int, transfer: int, matrix: int, *, full_range: bool = True) -> bytes:
    """Return an AVIF file with these code points in its container."""
    at = data.index(b"colrnclx")
    return data[: at + 8] + struct.pack(">HHHB", primaries, transfer, matrix, full_range << 7) + data[at + 15 :]


MATRICES: dict[int, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {}


def by_luma(red: float, blue: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    def planes(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
        y = rgb @ [red, 1 - red - blue, blue]
        return np.stack([y, (rgb[:, 2] - y) / (2 - 2 * blue), (rgb[:, 0] - y) / (2 - 2 * red)], axis=-1)

    return planes


def constant_luminance(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2020, table 4, constant luminance, with its own constants."""
    alpha, beta = 1.0993, 0.0181
    light = np.where(rgb < 4.5 * beta, rgb / 4.5, ((rgb + alpha - 1) / alpha) ** (1 / 0.45))
    y = light @ [0.2627, 0.6780, 0.0593]
    y = np.where(y < beta, 4.5 * y, alpha * y**0.45 - (alpha - 1))
    b, r = rgb[:, 2] - y, rgb[:, 0] - y
    return np.stack([y, np.where(b <= 0, b / 1.9404, b / 1.5816), np.where(r <= 0, r / 1.7184, r / 0.9936)], axis=-1)


for number, constants in {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593),
    12: (0.2627, 0.0593),
}.items():  # fmt: skip
    MATRICES[number] = by_luma(*constants)
MATRICES[0] = lambda rgb: np.stack([rgb[:, 1], rgb[:, 2] - 0.5, rgb[:, 0] - 0.5], axis=-1)
MATRICES[8] = lambda rgb: rgb @ np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0, -0.5]]).T
MATRICES[10] = MATRICES[13] = constant_luminance
MATRICES[11] = lambda rgb: np.stack(
    [rgb[:, 1], (0.986566 * rgb[:, 2] - rgb[:, 1]) / 2, (rgb[:, 0] - 0.991902 * rgb[:, 1]) / 2], axis=-1
)


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
def test_avif_matrix(matrix: int, limited: bool) -> None:
    """The planes are stored as G, B, R by the identity matrix, and then declared as another matrix."""
    rgb = encode(PATCHES, 9, 14)
    y, cb, cr = MATRICES[matrix](rgb).T
    if limited and matrix != 0:
        y, cb, cr = (16 + 219 * y) / 255, (128 + 224 * cb) / 255, (128 + 224 * cr) / 255
    elif limited:
        y, cb, cr = (16 + 219 * y) / 255, (16 + 219 * (cb + 0.5)) / 255, (16 + 219 * (cr + 0.5)) / 255
    else:
        cb, cr = cb + 128 / 255, cr + 128 / 255
    if matrix == 0 and not limited:
        cb, cr = rgb[:, 2], rgb[:, 0]
    data = gbr_avif(patch_image(np.stack([cr, y, cb], axis=-1)))
    at = data.index(b"colrnclx")
    points = struct.pack(">HHHB", 9, 14, matrix, 0 if limited else 128)
    check(data[: at + 8] + points + data[at + 15 :], limit=1.0 if matrix not in (8, 11) else 1.5)


def gbr_avif(pixels: NDArray[np.uint8]) -> bytes:
    """Encode RGB without a colour transform: matrix 0."""
    import imagecodecs

    return bytes(imagecodecs.avif_encode(pixels, level=100, pixelformat="444", matrix=0, primaries=1, transfer=13))


def test_avif_ictcp() -> None:
    rng = np.random.default_rng(2)
    light = rng.uniform(0.02, 0.5, (24, 3))  # of the reference white, below the knee of the tone curve
    rgb2020 = light @ np.linalg.inv(np.array(PRIMARIES_TO_SRGB_2020)).T
    lms = rgb2020 @ (np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096).T
    nits = np.clip(lms * 203 / 10_000, 0, 1)
    c1, c2, c3, m1, m2 = 0.8359375, 18.8515625, 18.6875, 0.1593017578125, 78.84375
    signal = ((c1 + c2 * nits**m1) / (1 + c3 * nits**m1)) ** m2
    i, ct, cp = (signal @ (np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096).T).T
    data = gbr_avif(patch_image(np.stack([cp + 128 / 255, i, ct + 128 / 255], axis=-1)))
    at = data.index(b"colrnclx")
    data = data[: at + 8] + struct.pack(">HHHB", 9, 16, 14, 128) + data[at + 15 :]
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    check(data, expected, limit=2.0)  # 8 bits of PQ are coarse


PRIMARIES_TO_SRGB_2020 = [
    [1.660491, -0.587641, -0.072850],
    [-0.124550, 1.132900, -0.008349],
    [-0.018151, -0.100579, 1.118730],
]


@pytest.mark.parametrize("source", ["nclx", "bitstream"])
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("subsampling", ["4:0:0", "4:2:0", "4:4:4"])
def test_avif_range(subsampling: str, limited: bool, source: str) -> None:
    grey = np.repeat(PATCHES.mean(axis=1, keepdims=True), 3, axis=1)
    data = avif(patch_image(grey), None, subsampling=subsampling, range="limited" if limited else "full")
    if source == "bitstream":
        data = data.replace(b"colrnclx", b"freenclx")
    check(data, grey)


def one_colour_heic(ycc: NDArray[np.float64], points: bytes) -> bytes:
    planes = [
        np.full(shape, round(value), np.uint8) for shape, value in zip(((32, 32), (16, 16), (16, 16)), ycc, strict=True)
    ]
    y, cb, cr = planes
    return heic(y, cb, cr, struct.pack(">I", 4 + len(points)) + points)


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 1), (1, 4), (11, 5), (22, 7), (5, 17)])
def test_heic_nclx(primaries: int, transfer: int) -> None:
    rgb = encode(PATCHES, primaries, transfer)
    planes = by_luma(0.299, 0.114)(rgb) * [219, 224, 224] + [16, 128, 128]
    found = [
        decoded(one_colour_heic(ycc, b"colrnclx" + struct.pack(">HHHB", primaries, transfer, 6, 0)))[16, 16]
        for ycc in planes
    ]
    assert delta_e(np.array(found) / 255, PATCHES).mean() <= 1.0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 13), (1, 4)])
def test_rgb_profile(kind: str, primaries: int, transfer: int) -> None:
    data = photo(encode(PATCHES, primaries, transfer), kind, icc_profile=rgb_profile(primaries, transfer))
    check(data, limit=1.3 if kind == "AVIF" else 1.0)  # 8 bits of Y, Cb and Cr lose some of a wide gamut


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "AVIF"])
def test_cicp_tag_in_a_profile_outranks_its_curves(kind: str) -> None:
    profile = rgb_profile(1, 13, cicp=bytes([12, 13, 0, 1]))
    check(photo(encode(PATCHES, 12, 13), kind, icc_profile=profile))
    same = rgb_profile(12, 13, cicp=bytes([12, 13, 0, 1]))
    check(photo(encode(PATCHES, 12, 13), kind, icc_profile=same))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("gamma", [1.0, 1.6])
def test_grey_profile(kind: str, gamma: float) -> None:
    grey = np.repeat(PATCHES.mean(axis=1, keepdims=True), 3, axis=1)
    light = np.where(grey <= 0.04045, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4)
    image = Image.fromarray(patch_image(light ** (1 / gamma)))
    options = OPTIONS[kind] | ({"subsampling": "4:0:0"} if kind == "AVIF" else {})
    check(
        encoded_image(
            image if kind == "WEBP" else image.convert("L"), kind, icc_profile=gray_profile(gamma), **options
        ),
        grey,
    )


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_rgb_profile_of_a_grey_file(kind: str) -> None:
    grey = np.repeat(PATCHES.mean(axis=1, keepdims=True), 3, axis=1)
    image = Image.fromarray(patch_image(encode(grey, 12, 5))).convert("L")
    check(encoded_image(image, kind, icc_profile=rgb_profile(12, 5), **OPTIONS[kind]), grey)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_adobe_rgb_by_exif_alone(kind: str) -> None:
    primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (0.3127, 0.3290)
    linear = encode(PATCHES, primaries, 8)
    pixels = np.clip(linear, 0, 1) ** (256 / 563)
    data = photo(pixels, kind, exif=adobe_exif())
    check(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_no_declaration_is_srgb(kind: str) -> None:
    check(photo(PATCHES, kind))


def test_tiff_of_cmyk_without_a_profile_keeps_the_order_of_greys() -> None:
    grey = np.repeat(PATCHES.mean(axis=1, keepdims=True), 3, axis=1)
    data = encoded_image(Image.fromarray(patch_image(grey)).convert("CMYK"), "TIFF")
    found = patches_of(decoded(data))
    assert np.ptp(found, axis=1).max() < 0.2
    assert (np.diff(found.mean(axis=1)[np.argsort(grey[:, 0])]) > -0.02).all()


@pytest.mark.parametrize("kind", ["png 8", "png 16", "avif 10"])
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_follows_the_documented_tone_curve(kind: str, transfer: int) -> None:
    signal = np.linspace(0.05, 1, 24)[:, None] * np.array([1.0, 0.97, 0.9])
    expected = tone_mapped(signal, transfer, 9)
    if kind == "png 8":
        data = png(patch_image(signal), (b"cICP", bytes([9, transfer, 0, 1])))
    else:
        import imagecodecs

        deep = np.kron(signal.reshape(4, 6, 3), np.ones((64, 64, 1)))
        if kind == "png 16":
            plain = bytes(imagecodecs.png_encode(np.rint(deep * 65535).astype(np.uint16)))
            body = b"cICP" + bytes([9, transfer, 0, 1])
            data = plain[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + plain[33:]
        else:
            data = bytes(
                imagecodecs.avif_encode(
                    np.rint(deep * 1023).astype(np.uint16), level=100, bitspersample=10, pixelformat="444",
                    primaries=9, transfer=transfer, matrix=9,
                )
            )  # fmt: skip
    check(data, expected)


OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


def photo(patches: NDArray[np.float64], kind: str, **options: object) -> bytes:
    return encoded(patch_image(patches), kind, **OPTIONS[kind], **options)


def test_the_measure_itself() -> None:
    assert delta_e(PATCHES, PATCHES).max() == 0
    lighter = delta_e(PATCHES, np.clip(PATCHES + 0.1, 0, 1))
    assert 5 < lighter.mean() < 15
    assert shown(encode(PATCHES, 9, 14), 9, 14) == pytest.approx(PATCHES, abs=1e-6)
