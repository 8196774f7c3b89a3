"""Headers of uploads: formats, rotated sizes, decompression bombs and hostile bytes."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, _imaging

from backend.http.errors import HttpProblem, UnprocessableEntity, UnsupportedMediaType
from backend.images.header import EXTENSIONS, UploadHeader, read_upload_header

MAX = 100_000_000
MAX_PROGRESSIVE = 50_000_000
ORIENTATION = 0x0112


def header(data: bytes, name: str = "photo.x") -> UploadHeader:
    """The header under the default limits."""
    return read_upload_header(data, name, max_pixels=MAX, max_progressive_pixels=MAX_PROGRESSIVE)


def picture(kind: str, size: tuple[int, int] = (60, 40), **options: object) -> bytes:
    """A small picture as a file of this kind."""
    image = Image.new("RGB", size, (200, 120, 40))
    ImageDraw.Draw(image).ellipse((5, 5, 30, 30), fill=(10, 60, 200))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    """EXIF data with nothing but an orientation."""
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made.tobytes()


@pytest.mark.parametrize("kind", [kind.upper() for kind in EXTENSIONS if kind != "heic"])
def test_read_header_detects_every_format_by_content(kind: str) -> None:
    assert header(picture(kind), "wrong-name.txt") == UploadHeader(EXTENSIONS[kind.lower()], 60, 40, "landscape")


@pytest.mark.parametrize(
    ("size", "orientation"),
    [((60, 40), "landscape"), ((40, 60), "portrait"), ((40, 40), "square"), ((1, 1), "square"), ((41, 40), "square")],
)
def test_read_header_returns_the_orientation_of_the_size(size: tuple[int, int], orientation: str) -> None:
    assert header(picture("PNG", size)).orientation == orientation


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_read_header_returns_the_upright_size(kind: str, turn: int) -> None:
    found = header(picture(kind, exif=exif(turn)))
    assert (found.width, found.height) == ((40, 60) if turn >= 5 else (60, 40))
    assert found.orientation == ("portrait" if turn >= 5 else "landscape")


def test_read_header_multi_picture_jpeg_is_a_jpeg() -> None:
    found = header(picture("MPO", save_all=True, append_images=[Image.new("RGB", (60, 40))], exif=exif(6)))
    assert found == UploadHeader(".jpg", 40, 60, "portrait")


def gif(*blocks: bytes, screen: tuple[int, int] = (60, 40)) -> bytes:
    """A GIF of these blocks, without a table of colours."""
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0, 0, 0) + b"".join(blocks) + b";"


def gif_frame(left: int, top: int, width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02\x01\x00\x00"


DISPOSED = b"!\xf9\x04\x08\0\0\0\0"  # the background is restored before the next frame is shown


def test_read_header_gif_canvas_contains_the_first_frame() -> None:
    comment = b"!\xfe\x05hello\x03 be\0"
    assert header(gif(comment, DISPOSED, gif_frame(0, 0, 60, 40))).width == 60
    found = header(gif(b"\0", gif_frame(10, 50, 70, 20), gif_frame(0, 0, 900, 900)))
    assert (found.width, found.height) == (80, 70)


SMALL_FRAME = gif_frame(0, 0, 9, 9)


@pytest.mark.parametrize(
    "blocks", [(), (DISPOSED,), (b"!\xfe\xff",), (SMALL_FRAME[:6],), (bytes(3_000_000), SMALL_FRAME)]
)
def test_read_header_gif_without_frame_is_rejected(blocks: tuple[bytes, ...]) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"^photo\.x: this is a GIF file "):
        header(gif(*blocks)[:-1])


def test_read_header_gif_with_huge_frame_is_rejected_without_allocation() -> None:
    data = gif(DISPOSED, gif_frame(0, 0, 65_535, 65_535))
    assert len(data) < 50
    before = pictures_allocated()
    with pytest.raises(UnprocessableEntity, match="65535x65535 is 4295 megapixels"):
        header(data)
    assert header(gif(DISPOSED, gif_frame(0, 0, 9_000, 9_000))).width == 9_000
    assert pictures_allocated() == before


@pytest.mark.parametrize("turn", [0, 9, 77])
def test_read_header_invalid_orientation_is_ignored(turn: int) -> None:
    assert header(picture("JPEG", exif=exif(turn))).width == 60


@pytest.mark.parametrize(
    "data", [b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00garbage", b"x" * 50]
)
def test_read_header_broken_exif_is_ignored(data: bytes) -> None:
    assert header(picture("JPEG", exif=data)).width == 60


def test_read_header_orientation_in_xmp_is_ignored() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert header(picture("JPEG", xmp=xmp)).width == 60


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int, *, pixels: bool = True) -> bytes:
    """A small PNG file of very many black pixels."""
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(height)) if pixels else b""
    return start + chunk(b"IDAT", packed + packer.flush()) + chunk(b"IEND", b"")


def test_read_header_too_many_pixels_are_rejected() -> None:
    with pytest.raises(UnprocessableEntity, match=r"bomb\.png: 30000x30000 is 900 megapixels; a picture may have 100"):
        header(png_bomb(30_000, 30_000, pixels=False), "bomb.png")


def test_read_header_pixel_limit_is_exact() -> None:
    data = picture("PNG", (60, 40))
    assert read_upload_header(data, "x", max_pixels=2400, max_progressive_pixels=1).width == 60
    with pytest.raises(UnprocessableEntity):
        read_upload_header(data, "x", max_pixels=2399, max_progressive_pixels=1)


def test_read_header_progressive_jpeg_has_its_own_limit() -> None:
    data = picture("JPEG", progressive=True)
    assert read_upload_header(data, "x", max_pixels=1, max_progressive_pixels=2400).width == 60
    with pytest.raises(UnprocessableEntity, match="a progressive picture may have"):
        read_upload_header(data, "x", max_pixels=MAX, max_progressive_pixels=2399)


def test_read_header_allocates_no_pixels() -> None:
    data = png_bomb(9_000, 9_000)  # 81 megapixels, which are allowed
    assert len(data) < 100_000
    before = pictures_allocated()
    assert header(data).width == 9_000
    assert pictures_allocated() == before
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    assert pictures_allocated() > before, "this is what Pillow counts when it decodes"


def pictures_allocated() -> int:
    """Return how often Pillow has allocated pixels."""
    stats = _imaging.get_stats()
    return int(stats["new_count"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff\xd8\xff",
        b"not an image at all",
        b"%PDF-1.7\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
        b"<?xml version='1.0'?><svg/>",
        b"BM" + b"\0" * 60,
        b"\x00\x00\x01\x00" + b"\0" * 60,
        b"8BPS" + b"\0" * 60,
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1",
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        b"GIF89a",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"II*\x00\xff\xff\xff\xff",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_read_header_other_files_are_rejected(data: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"^holiday\.jpg: ") as caught:
        header(data, "holiday.jpg")
    assert caught.value.status == 415


@pytest.mark.parametrize("kind", ["BMP", "ICO", "PPM", "TGA", "PCX"])
def test_read_header_other_formats_of_pillow_are_rejected(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"which is not supported|this is not a JPEG, PNG"):
        header(picture(kind))


def test_read_header_size_zero_is_rejected() -> None:
    empty = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")
    with pytest.raises(UnsupportedMediaType):
        header(empty)


def refusal_of(data: bytes) -> HttpProblem | None:
    """The refusal of these bytes, or None if they are taken; any other error is the test's."""
    try:
        header(data)
    except HttpProblem as error:
        return error
    return None


GOOD = {
    "jpeg": picture("JPEG", exif=exif(6)),
    "png": picture("PNG", exif=exif(6)),
    "webp": picture("WEBP", exif=exif(6)),
    "tiff": picture("TIFF", exif=exif(6)),
    "gif": picture("GIF"),
    "avif": picture("AVIF", exif=exif(6)),
}


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(GOOD)),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.integers(0, 900),
    extra=st.binary(max_size=20),
)
def test_read_header_mutated_files_raise_http_problems_only(
    kind: str, changes: list[tuple[int, int]], cut: int | None, extra: bytes
) -> None:
    data = bytearray(GOOD[kind])
    for place, value in changes:
        data[place % len(data)] = value
    mutant = bytes(data[:cut]) + extra
    refusal = refusal_of(mutant)
    if refusal is not None:
        assert refusal.status in (415, 422)
        assert str(refusal).startswith("photo.x: ")
    else:
        found = header(mutant)
        assert 1 <= found.width * found.height <= MAX
        assert found.extension in EXTENSIONS.values()


@settings(max_examples=100, deadline=None)
@given(start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"II*\0", b"\0\0\0\x1cftypheic", b"GIF89a"]), rest=st.binary())
def test_read_header_random_bytes_raise_http_problems_only(start: bytes, rest: bytes) -> None:
    refusal = refusal_of(start + rest)
    assert refusal is None or refusal.status in (415, 422)


def exif_taken(text: object) -> bytes:
    """EXIF data with nothing but a DateTimeOriginal."""
    made = Image.Exif()
    made.get_ifd(0x8769)[0x9003] = text
    return made.tobytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019:07:14 18:30:05", 1563129005.0),
        ("2019:07:14 18:30:05\x00", 1563129005.0),
        ("0000:00:00 00:00:00", None),
        ("1601:01:01 00:00:00", None),
        ("2019:02:30 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_read_header_returns_the_capture_time(text: str, expected: float | None) -> None:
    for kind in ("JPEG", "WEBP"):
        assert header(picture(kind, exif=exif_taken(text))).captured_at == expected
    assert header(picture("JPEG")).captured_at is None
