"""Camera raw files of nine makers' formats: recognised before TIFF, and shown by the JPEG that is embedded in them."""

from __future__ import annotations

import functools
import io
import struct
import time

import numpy as np
import pytest
from PIL import ExifTags, Image

from backend.http.errors import UnsupportedMediaType
from backend.images.header import UploadHeader, read_upload_header
from contract.image_header.embedded_jpeg import embedded_photo
from contract.image_header.raw import KINDS, OTHER, may_be_raw, read_camera_raw
from processor.codecs.download_buffer import DownloadBuffer
from processor.errors import NotAllowed, RenderError
from processor.pool.render_pool import estimated_bytes
from processor.render.pipeline import render_image
from tests.support import raw_files
from tests.support.pictures import ONE, STORED_FOR, encoded, scene, smooth
from tests.support.raw_files import MAKERS, TAKEN, Tiff

TAKEN_SECONDS = 1646370367.0
each_kind = pytest.mark.parametrize("kind", MAKERS)


@functools.cache
def jpeg(width: int = 1920, height: int = 240, orientation: int = 1) -> bytes:
    upright = smooth(width, height) if orientation < 5 else smooth(height, width)
    return encoded(np.ascontiguousarray(STORED_FOR[orientation](upright)))


def upload_header(data: bytes) -> UploadHeader:
    return read_upload_header(data, "a.jpg", max_pixels=10**8, max_progressive_pixels=10**8)


def test_all_kinds_are_built_here() -> None:
    assert list(MAKERS) == [kind.name for kind in KINDS if kind is not OTHER]


@each_kind
def test_read_camera_raw_finds_kind_and_jpeg(kind: str) -> None:
    data = MAKERS[kind](jpeg())
    raw = read_camera_raw(data)
    assert raw is not None
    assert (raw.kind.name, raw.is_usable) == (kind, True)
    assert raw.jpeg is not None
    assert (raw.jpeg.width, raw.jpeg.height) == (1920, 240)
    assert jpeg()[4:] in data[raw.jpeg.start : raw.jpeg.start + raw.jpeg.length]


@each_kind
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_upload_header_has_size_date_and_extension_of_the_raw(kind: str, orientation: int) -> None:
    header = upload_header(MAKERS[kind](jpeg(), orientation))
    turned = orientation >= 5
    assert (header.width, header.height) == ((240, 1920) if turned else (1920, 240))
    assert header.orientation == ("portrait" if turned else "landscape")
    assert header.captured_at == TAKEN_SECONDS
    assert header.extension == next(found.extension for found in KINDS if found.name == kind)


@each_kind
def test_render_shows_the_embedded_jpeg_upright(kind: str) -> None:
    stored = jpeg(1920, 240, 6)
    rendered = render_image(MAKERS[kind](stored, 6), ONE)
    twin = render_image(raw_files.with_exif(stored, 6, TAKEN), ONE)
    assert (rendered.width, rendered.height) == (240, 1920)
    assert rendered.variants[0].data == twin.variants[0].data
    assert rendered.thumbnail == twin.thumbnail


@each_kind
def test_embedded_photo_declares_adobe_rgb_where_the_raw_does(kind: str) -> None:
    for adobe_rgb in (True, False):
        data = MAKERS[kind](jpeg(), adobe_rgb=adobe_rgb)
        raw = read_camera_raw(data)
        assert raw is not None
        with Image.open(io.BytesIO(embedded_photo(data, raw))) as image:
            detail = image.getexif().get_ifd(ExifTags.IFD.Exif)
            interop = image.getexif().get_ifd(ExifTags.IFD.Interop) if adobe_rgb else {}
        assert (detail.get(ExifTags.Base.ColorSpace), interop.get(1)) == ((65535, "R03") if adobe_rgb else (None, None))
        assert detail[ExifTags.Base.DateTimeOriginal] == TAKEN


@each_kind
@pytest.mark.parametrize("size", [(1919, 240), (64, 48)])
def test_raw_without_a_large_jpeg_is_rejected_by_name(kind: str, size: tuple[int, int]) -> None:
    data = MAKERS[kind](jpeg(*size))
    sentence = (
        f"is a camera raw file ({kind}) without an embedded JPEG of at least 1920 pixels (its largest has {size[0]} x "
        f"{size[1]}), which is not supported"
    )
    with pytest.raises(UnsupportedMediaType) as rejected:
        upload_header(data)
    assert str(rejected.value.detail) == f"a.jpg: {sentence}; export it as JPEG"
    with pytest.raises(NotAllowed) as not_rendered:
        render_image(data, ONE, name="a.nef")
    assert str(not_rendered.value) == f"a.nef {sentence}. Export it as JPEG."


@each_kind
def test_raw_with_a_portrait_jpeg_of_1920_pixels_is_accepted(kind: str) -> None:
    assert upload_header(MAKERS[kind](jpeg(64, 1920))).height == 1920


@each_kind
def test_exif_of_the_jpeg_counts_where_the_raw_has_none(kind: str) -> None:
    inside = raw_files.with_exif(jpeg(), 8, "2001:02:03 04:05:06")
    is_raf = kind == "Fujifilm RAF"  # its EXIF data are those of the JPEG in any case
    header = upload_header(raw_files.raf(jpeg(), 8, "2001:02:03 04:05:06") if is_raf else MAKERS[kind](inside, 0, None))
    assert (header.width, header.height, header.captured_at) == (240, 1920, 981173106.0)


@each_kind
def test_orientation_of_the_raw_outranks_that_of_its_jpeg(kind: str) -> None:
    if kind != "Fujifilm RAF":
        header = upload_header(MAKERS[kind](raw_files.with_exif(jpeg(), 8, "2001:02:03 04:05:06"), 1))
        assert (header.width, header.height, header.captured_at) == (1920, 240, TAKEN_SECONDS)


@each_kind
def test_raw_that_is_still_downloading_equals_the_complete_file(kind: str) -> None:
    data = MAKERS[kind](jpeg(), 6)
    buffer = DownloadBuffer(len(data))
    buffer.write(data)
    buffer.end(complete=True)
    assert render_image(buffer, ONE).variants[0].data == render_image(data, ONE).variants[0].data
    assert estimated_bytes(buffer, ONE, "a") == estimated_bytes(data, ONE, "a") > len(jpeg())


@each_kind
def test_raw_that_is_cut_off_in_its_jpeg_is_rejected(kind: str) -> None:
    data = MAKERS[kind](jpeg())
    raw = read_camera_raw(data)
    assert raw is not None
    assert raw.jpeg is not None
    for share in (0.001, 0.01, 0.3, 0.6, 0.95):
        with pytest.raises(RenderError):
            render_image(data[: raw.jpeg.start + int(raw.jpeg.length * share)], ONE)


def test_largest_jpeg_wins_and_sensor_data_never_do() -> None:
    tiff = Tiff("<")
    small = tiff.directory({0x0201: (4, tiff.blob(jpeg(64, 48))), 0x0202: (4, len(jpeg(64, 48)))})
    large = tiff.directory({0x0201: (4, tiff.blob(jpeg())), 0x0202: (4, len(jpeg()))}, small)
    sensor = raw_files.sensor(tiff, 7)
    sensor |= {0x0111: (4, tiff.blob(jpeg(2400, 240))), 0x0117: (4, len(jpeg(2400, 240)))}
    raw = read_camera_raw(tiff.finish(tiff.directory(sensor, large)))
    assert raw is not None
    assert (raw.kind, raw.jpeg and raw.jpeg[2:]) == (OTHER, (1920, 240))


@pytest.mark.parametrize("maker", ["NIKON CORPORATION", "SONY", "Canon", "PENTAX", "Panasonic", ""])
def test_tiff_of_a_maker_is_no_raw(maker: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = maker
    buffer = io.BytesIO()
    Image.fromarray(scene(320, 240)).save(buffer, "TIFF", exif=exif)
    assert may_be_raw(buffer.getvalue())
    assert read_camera_raw(buffer.getvalue()) is None
    assert upload_header(buffer.getvalue()).extension == ".tif"
    assert render_image(buffer.getvalue(), ONE).width == 320


def test_reduced_first_page_of_a_maker_is_raw_even_without_sensor_data() -> None:
    tiff = Tiff("<")
    below = tiff.directory({0x0103: (3, 7), 0x0106: (3, 6), 0x0111: (4, tiff.blob(jpeg())), 0x0117: (4, len(jpeg()))})
    page = {0x00FE: (4, 1), 0x0100: (4, 16), 0x0101: (4, 12), 0x010F: (2, "NIKON CORPORATION"), 0x014A: (4, below)}
    header = upload_header(tiff.finish(tiff.directory(page)))
    assert (header.width, header.height, header.extension) == (1920, 240, ".nef")


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"FOVb" + bytes(60), "Sigma X3F"), (b"\0MRM" + bytes(60), "Minolta MRW"), (b"II\x1a\0\0\0HEAPCCDR", "Canon CRW")],
)
def test_older_raw_formats_are_rejected_by_name(start: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=name):
        upload_header(start)


def test_other_formats_are_no_raw() -> None:
    for data in (jpeg(), encoded(scene(32, 24), "PNG"), b"", b"II", b"II*\0", b"\0\0\0\x18ftypheic"):
        assert read_camera_raw(data) is None


def test_hostile_directories_cost_little() -> None:
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 2)
    loop += struct.pack("<HHII", 0x014A, 4, 64, 8) + struct.pack("<HHII", 0x0201, 4, 1, 8) + struct.pack("<I", 8)
    many = b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + struct.pack("<HHII", 0x014A, 4, 2**31, 8) * 65535
    for data in (loop, many):
        since = time.process_time()
        read_camera_raw(data)
        assert time.process_time() - since < 0.5
