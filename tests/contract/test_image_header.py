"""Headers of photos: own-made files of each format, compared with what an independent decoder opens."""

from __future__ import annotations

import io
import random
import struct
import time

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from contract.image_header.boxes import MAX_ITEMS
from contract.image_header.model import CodePoints, HeaderError, KindNotSupported
from contract.image_header.read import NotAPhoto, read_image_header
from tests.support.heif_files import Item, avif_grid, clap, heif_file, tile
from tests.support.pictures import encoded, scene

SHAPE = (64, 48)


def test_grid_has_the_size_of_its_canvas_and_not_of_a_tile() -> None:
    header = read_image_header(avif_grid(rows=2, columns=3, width=150, height=100, side=64, primary_last=True))
    assert (header.width, header.height, header.heif.tiles if header.heif else 0) == (150, 100, 6)


@pytest.mark.parametrize("order", ["meta first", "meta last"])
def test_meta_box_is_found_before_and_behind_the_pixels(order: str) -> None:
    data = avif_grid(rows=1, columns=2, width=128, height=64, side=64, meta_last=order == "meta last")
    assert read_image_header(data).width == 128


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ([b"irot" + b"\1"], (48, 64)),
        ([b"irot" + b"\2", b"imir" + b"\0"], (64, 48)),
        ([clap((20, 1), (10, 1), (0, 1), (0, 1))], (20, 10)),
        ([clap((20, 1), (10, 1), (0, 1), (0, 1)), b"irot" + b"\3"], (10, 20)),
        ([clap((41, 2), (10, 1), (1, 2), (-3, 1))], (21, 10)),
        ([clap((161, 4), (31, 3), (2, 1), (1, 3))], (40, 10)),
    ],
)
def test_transformations_give_the_size_of_the_decoder(properties: list[bytes], expected: tuple[int, int]) -> None:
    import pyvips

    picture = tile(scene(*SHAPE), properties=properties)
    data = heif_file([picture], primary=1)
    header = read_image_header(data)
    assert (header.width, header.height, header.orientation) == (*expected, 1)
    decoded = pyvips.Image.heifload_buffer(data)
    assert (decoded.width, decoded.height) == expected


def test_exif_orientation_beside_rotation_is_not_applied_twice() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(*SHAPE), "AVIF", exif=exif)
    header = read_image_header(data)
    assert (header.upright_size, header.orientation) == ((48, 64), 1)


@pytest.mark.parametrize("kind", ["B", "H", "I"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_of_any_integer_type_counts(kind: str, order: str) -> None:
    code = {"B": 1, "H": 3, "I": 4}[kind]
    value = struct.pack(order + kind, 6).ljust(4, b"\0")
    exif = (
        (b"II" if order == "<" else b"MM") + struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, code, 1) + value + bytes(4)
    )
    for file_format in ("JPEG", "PNG", "WEBP"):
        data = encoded(scene(*SHAPE), file_format, exif=exif if file_format == "PNG" else b"Exif\0\0" + exif)
        assert read_image_header(data).orientation == 6, file_format


def test_adobe_rgb_is_declared_by_exif_alone() -> None:
    for space, index, expected in ((65535, "R03", True), (65535, "R98", False), (1, "R03", False)):
        exif = Image.Exif()
        details = exif.get_ifd(0x8769)
        details[0xA001] = space
        details[0xA005] = {1: index}
        assert read_image_header(encoded(scene(*SHAPE), exif=exif)).adobe_rgb is expected


@pytest.mark.parametrize("count", [1, 300, MAX_ITEMS + 1])
def test_number_of_items_is_limited_with_an_own_message(count: int) -> None:
    items = [Item(b"av01", b"", ())] * (count - 1)
    data = heif_file([tile(scene(*SHAPE)), *items], primary=1)
    if count <= MAX_ITEMS:
        assert read_image_header(data).width == SHAPE[0]
    else:
        with pytest.raises(KindNotSupported, match=rf"with {count} items .* limit of {MAX_ITEMS}"):
            read_image_header(data)


@pytest.mark.parametrize(("kind", "name"), [(b"jpeg", "JPEG"), (b"j2k1", "JPEG 2000"), (b"unci", "uncompressed")])
def test_other_codecs_are_named(kind: bytes, name: str) -> None:
    picture = tile(scene(*SHAPE))
    data = heif_file([Item(kind, picture.data, picture.properties)], primary=1)
    with pytest.raises(KindNotSupported, match=f"is a HEIF file with {name} inside, which is not supported"):
        read_image_header(data)


@pytest.mark.parametrize("limited", [False, True])
def test_bitstream_declares_range_and_code_points(limited: bool) -> None:
    data = encoded(scene(*SHAPE), "AVIF", range="limited" if limited else "full")
    facts = read_image_header(data).heif
    assert facts is not None
    assert facts.nclx is not None
    assert facts.bitstream is not None
    assert facts.bitstream.full_range is facts.nclx.full_range is not limited
    assert facts.bitstream.matrix == facts.nclx.matrix
    bare = read_image_header(data.replace(b"colrnclx", b"freenclx")).heif
    assert bare is not None
    assert (bare.nclx, bare.bitstream) == (None, facts.bitstream)


def test_png_declares_colours_by_chunks() -> None:
    data = encoded(scene(*SHAPE), "PNG")
    cicp = struct.pack(">I", 4) + b"cICP" + bytes([12, 13, 0, 1]) + bytes(4)
    gamma = struct.pack(">I", 4) + b"gAMA" + struct.pack(">I", 55556) + bytes(4)
    colour = read_image_header(data[:33] + cicp + gamma + data[33:]).png
    assert colour is not None
    assert (colour.cicp, colour.gamma) == (CodePoints(12, 13, 0, True), 0.55556)


@pytest.mark.parametrize(
    ("mode", "tags", "name"),
    [
        ("F", {}, "32-bit floating-point"),
        ("I", {}, "32-bit signed integer"),
        ("RGB", {259: 6}, "old-style JPEG"),
        ("RGB", {259: 34712}, "JPEG 2000"),
        ("RGB", {262: 32803}, "raw sensor"),
        ("RGB", {258: (5, 6, 5)}, "5/6/5-bit"),
        ("L", {339: 2}, "8-bit signed integer"),
    ],
)
def test_kinds_of_tiff_are_rejected_by_name(mode: str, tags: dict[int, object], name: str) -> None:
    image = Image.new(mode, SHAPE)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    order, (first,) = "<", struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    for at in range(first + 2, first + 2 + 12 * count, 12):
        tag, _, values, place = struct.unpack_from("<HHII", data, at)
        if tag in tags and isinstance(value := tags.pop(tag), int):
            data[at : at + 12] = struct.pack("<HHIHH", tag, 3, 1, value, 0)
        elif tag == 258 and values == 3 and name.startswith("5/"):
            data[place : place + 6] = struct.pack("<HHH", 5, 6, 5)
    if tags:  # Pillow leaves out what has its default value: replace a tag that does not count
        (tag, value), *_ = tags.items()
        at = next(at for at in range(first + 2, first + 2 + 12 * count, 12) if data[at : at + 2] == b"\x16\1")
        data[at : at + 12] = struct.pack("<HHIHH", tag, 3, 1, value, 0)
    with pytest.raises(KindNotSupported, match=f"is a TIFF with {name}.*; export it as JPEG"):
        read_image_header(bytes(data))


def test_big_tiff_is_read() -> None:
    entries = [(256, 60), (257, 40), (258, 8), (259, 1), (262, 1), (274, 6), (277, 1)]
    body = struct.pack("<Q", len(entries)) + b"".join(struct.pack("<HHQQ", tag, 3, 1, value) for tag, value in entries)
    header = read_image_header(b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + body + bytes(8))
    assert (header.upright_size, header.bits) == ((40, 60), 8)


@pytest.mark.parametrize("marker", [b"", b"\xff\xe0\0\5JFI", b"\xff\xe0\0\2", bytes(7), b"\0\xff\0\xff\xff\xff"])
def test_jpeg_with_odd_bytes_before_its_frame_is_read(marker: bytes) -> None:
    data = encoded(scene(*SHAPE))
    assert read_image_header(data[:20] + marker + data[20:]).width == SHAPE[0]


@pytest.mark.parametrize("frame", [b"\xff\xc3", b"\xff\xc5"])
def test_kinds_of_jpeg_are_rejected_by_name(frame: bytes) -> None:
    with pytest.raises(KindNotSupported, match=r"is a (lossless|hierarchical) JPEG, which is not supported"):
        read_image_header(encoded(scene(*SHAPE)).replace(b"\xff\xc0", frame, 1))


def test_other_files_are_named() -> None:
    for data, error, text in (
        (b"", NotAPhoto, "is empty"),
        (b"hello", NotAPhoto, "is not an image"),
        (b"%PDF-1.7", KindNotSupported, "is a PDF document, which is not supported"),
    ):
        with pytest.raises(error, match=text):
            read_image_header(data)


def seeds() -> list[bytes]:
    """Return one file of each format."""
    files = [encoded(scene(*SHAPE), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")]
    return [*files, avif_grid(rows=2, columns=2, width=100, height=100, side=64)]


def error_of(data: bytes) -> HeaderError | None:
    """Return the declared error of these bytes; any other error is the test's."""
    try:
        header = read_image_header(data)
    except HeaderError as error:
        return error
    assert min(header.width, header.height) > 0
    assert 1 <= header.orientation <= 8
    return None


def test_mutated_files_raise_the_declared_error_only() -> None:
    dice = random.Random(1)
    outcomes = {"read": 0, "rejected": 0}
    for data in seeds():
        for _ in range(400):
            mutant = bytearray(data[: dice.choice([len(data), dice.randrange(len(data))])])
            for _ in range(dice.randrange(6)):
                if mutant:
                    mutant[dice.randrange(min(len(mutant), 900))] = dice.choice(
                        [0, 1, 127, 128, 255, dice.randrange(256)]
                    )
            error = error_of(bytes(mutant))
            assert error is None or str(error).startswith("is ")
            outcomes["rejected" if error else "read"] += 1
    assert min(outcomes.values()) > 100, outcomes


def test_a_grid_of_hundreds_of_tiles_takes_milliseconds() -> None:
    data = avif_grid(rows=14, columns=19, width=14 * 19, height=14 * 10, side=64)
    best = min(_seconds(data) for _ in range(20))
    assert best < 0.005


def _seconds(data: bytes) -> float:
    start = time.process_time()
    read_image_header(data)
    return time.process_time() - start


def test_pillow_writes_what_the_tests_assume() -> None:
    assert TiffImagePlugin.ROWSPERSTRIP == 278
    assert np.asarray(Image.open(io.BytesIO(seeds()[1]))).shape == (48, 64, 3)
