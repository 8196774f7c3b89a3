"""The output of the renderer: the JPEG files, the colours, and the estimate of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from contract.messages.processing import Palette
from contract.recipes import DEVICE_PROFILE, THUMBNAIL_PROFILE
from processor.colour.icc import is_srgb
from processor.render.decode import decode
from processor.render.decode_plan import estimate_bytes
from processor.render.header import read_header
from processor.render.palette import colour_pixels, find_colours, quantize, score
from processor.render.pipeline import render_image
from tests.support.pictures import DEVICES, ONE, encoded, scene

ROOT = Path(__file__).resolve().parents[3]

# ITU-T T.81, tables K.3 to K.6: number of codes of each length in the standard tables.
STANDARD_DC_LUMINANCE = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
STANDARD_AC_LUMINANCE = bytes([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125])
STANDARD_DC_CHROMINANCE = bytes([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
STANDARD_AC_CHROMINANCE = bytes([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119])


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Return (marker, body) of every segment before the pixels."""
    assert jpeg[:2] == b"\xff\xd8"
    found, place = [], 2
    while True:
        assert jpeg[place] == 0xFF
        marker, size = jpeg[place + 1], int.from_bytes(jpeg[place + 2 : place + 4], "big")
        found.append((marker, jpeg[place + 4 : place + 2 + size]))
        place += 2 + size
        if marker == 0xDA:
            return found


def huffman_tables(jpeg: bytes) -> dict[int, bytes]:
    """Return the sixteen counts of each table, by table class and number."""
    found = {}
    for marker, body in segments(jpeg):
        if marker == 0xC4:
            place = 0
            while place < len(body):
                counts = body[place + 1 : place + 17]
                found[body[place]] = counts
                place += 17 + sum(counts)
    return found


def photo_with_everything() -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010F] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(scene(700, 500), exif=exif, icc_profile=profile, progressive=True, comment="private")


def test_render_image_files_are_baseline_420_with_standard_tables() -> None:
    rendered = render_image(photo_with_everything(), DEVICES)
    for data in (*(variant.data for variant in rendered.variants), rendered.thumbnail):
        parts = segments(data)
        markers = [marker for marker, _ in parts]
        assert [marker for marker in markers if 0xC0 <= marker <= 0xCF and marker != 0xC4] == [0xC0]  # baseline
        assert {marker for marker in markers if marker >= 0xE0} <= {0xE0}  # JFIF, and no personal data
        frame = dict(parts)[0xC0]
        assert frame[0] == 8
        assert frame[5] == 3
        assert [frame[7 + 3 * component] for component in range(3)] == [0x22, 0x11, 0x11]  # 4:2:0
        assert huffman_tables(data) == {
            0x00: STANDARD_DC_LUMINANCE,
            0x10: STANDARD_AC_LUMINANCE,
            0x01: STANDARD_DC_CHROMINANCE,
            0x11: STANDARD_AC_CHROMINANCE,
        }


# ITU-T T.81, table K.1, in the zigzag order of the file.
LUMINANCE_QUALITY_50 = bytes.fromhex(
    "10 0b 0c 0e 0c 0a 10 0e 0d 0e 12 11 10 13 18 28 1a 18 16 16 18 31 23 25 1d 28 3a 33 3d 3c 39 33"
    " 38 37 40 48 5c 4e 40 44 57 45 37 38 50 6d 51 57 5f 62 67 68 67 3e 4d 71 79 70 64 78 5c 65 67 63"
)


def test_render_image_quantization_tables_match_the_profile_names() -> None:
    """The number in a profile's name is the quality: libjpeg scales the table by (200 - 2 * quality) percent."""
    rendered = render_image(encoded(scene(640, 480)), ONE)
    for data, profile in ((rendered.variants[0].data, DEVICE_PROFILE), (rendered.thumbnail, THUMBNAIL_PROFILE)):
        percent = 200 - 2 * int(profile.rpartition("-")[2])
        luminance = next(body for marker, body in segments(data) if marker == 0xDB and body[0] == 0)
        assert luminance[1:65] == bytes((value * percent + 50) // 100 for value in LUMINANCE_QUALITY_50), profile


def test_render_image_without_devices_returns_thumbnail_and_palette() -> None:
    rendered = render_image(encoded(scene(1200, 800)), ())
    assert rendered.variants == ()
    assert rendered.thumbnail[:2] == b"\xff\xd8"
    assert isinstance(rendered.palette, Palette)


@pytest.mark.slow
def test_render_image_palette_and_histogram_are_consistent() -> None:
    rendered = render_image(encoded(scene(1200, 800)), ONE)
    populations = list(rendered.histogram.values())
    assert 1 <= len(populations) <= 128
    assert populations == sorted(populations, reverse=True)
    assert sum(populations) == 256 * 171
    palette = rendered.palette
    assert len(palette.all_colors) == 8
    assert (palette.primary, palette.secondary, palette.tertiary) == palette.all_colors[:3]
    assert palette.source_color == palette.primary
    assert render_image(encoded(scene(1200, 800)), ONE) == rendered


def test_find_colours_ties_are_ordered_by_colour() -> None:
    pixels = np.array([[200, 0, 0], [0, 0, 200], [0, 200, 0]] * 50, np.uint8)
    palette, histogram = find_colours(pixels)
    assert list(histogram.items()) == [("#0000C8", 50), ("#00C800", 50), ("#C80000", 50)]
    assert palette.all_colors[3:] == (palette.primary,) * 5
    assert set(palette.all_colors) == set(histogram)


def test_find_colours_single_colour_fills_the_palette() -> None:
    palette, _ = find_colours(np.array([[20, 60, 200]] * 90 + [[128, 128, 128]] * 10, np.uint8))
    assert set(palette.all_colors) == {"#143CC8"}


def test_score_without_colour_is_empty() -> None:
    assert score({(10, 10, 10): 5, (250, 250, 250): 9}, 8) == []
    assert quantize(np.array([[1, 2, 3]] * 4, np.uint8), 128) == {(1, 2, 3): 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "shrink", "count"),
    [((1024, 600), 1, 256 * 150), ((100, 60), 1, 6000), ((1024, 600), 4, 256 * 150)],
)
def test_colour_pixels_has_the_shape_of_the_photo(size: tuple[int, int], shrink: int, count: int) -> None:
    data = encoded(scene(*size))
    base = decode(data, read_header(data, "x"), shrink, "x")
    pixels = colour_pixels(base)
    assert pixels.shape == (count, 3)
    assert not pixels.flags.owndata  # a view of the memory that libvips wrote
    assert np.abs(pixels.mean(axis=0) - scene(*size).reshape(-1, 3).mean(axis=0)).max() < 2


def test_is_srgb_modified_profile_is_false() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_srgb(profile)
    assert not is_srgb(profile[:200])
    assert not is_srgb(b"")
    entry = profile.find(b"rXYZ", 128)
    red = int.from_bytes(profile[entry + 4 : entry + 8], "big")
    other_colour = bytearray(profile)
    other_colour[red + 8 : red + 20] = bytes(12)
    assert not is_srgb(bytes(other_colour))
    curve = profile.find(b"para\0\0\0\0\0\3")
    other_curve = bytearray(profile)
    other_curve[curve + 12 : curve + 16] = (65536 * 3).to_bytes(4, "big")
    assert not is_srgb(bytes(other_curve))
    many_tags = bytearray(profile)
    many_tags[128:132] = b"\xff\xff\xff\xff"
    assert not is_srgb(bytes(many_tags))
    assert not is_srgb(profile.replace(b"mntrRGB ", b"mntrGRAY"))


def srgb_with_table(points: list[int]) -> bytes:
    """Return the sRGB profile with a table as the curve of all three channels."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    table = b"curv\0\0\0\0" + len(points).to_bytes(4, "big") + b"".join(p.to_bytes(2, "big") for p in points)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        place = profile.find(tag, 128)
        profile[place + 4 : place + 12] = len(profile).to_bytes(4, "big") + len(table).to_bytes(4, "big")
    return bytes(profile) + table


def test_is_srgb_table_curve_is_compared() -> None:
    steps = np.linspace(0, 1, 1024)
    linear = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    assert is_srgb(srgb_with_table([round(value * 65535) for value in linear]))
    assert not is_srgb(srgb_with_table([0, 65535]))
    assert not is_srgb(srgb_with_table([563]))  # one entry is a gamma, 2.2 here


MEASURE = """
import sys
from tests.support.pictures import DEVICES
from processor.render.decode_plan import estimate_bytes
from processor.render.header import read_header
from processor.render.palette import load_kernels
from processor.render.pipeline import render_image
load_kernels()
def field(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
before = field("VmRSS")
data = sys.stdin.buffer.read()
estimate = estimate_bytes(read_header(data, "x"), DEVICES, len(data))
render_image(data, DEVICES)
print((field("VmHWM") - before) * 1024, estimate)
"""


@pytest.mark.server
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {"compress_level": 1}), ("WEBP", {"method": 0})],
)
def test_estimate_bytes_is_near_the_measured_peak(kind: str, options: dict[str, object]) -> None:
    picture = np.tile(scene(500, 375), (8, 8, 1))
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE],
        input=encoded(picture, kind, **options),
        capture_output=True,
        timeout=100,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    measured, estimate = map(int, ran.stdout.split())
    assert 0.75 * measured < estimate < 1.5 * measured + 15_000_000


@pytest.mark.slow
def test_estimate_bytes_grows_with_devices_and_file() -> None:
    data = encoded(scene(1600, 1200))
    header = read_header(data, "x")
    assert estimate_bytes(header, (), len(data)) < estimate_bytes(header, DEVICES, len(data))
    assert estimate_bytes(header, ONE, len(data)) < estimate_bytes(header, ONE, len(data) + 10_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GIF", "AVIF", "TIFF", "PNG", "WEBP"])
def test_estimate_bytes_grows_with_pixels_in_every_format(kind: str) -> None:
    small, large = (read_header(encoded(scene(*size), kind), "x") for size in ((200, 150), (800, 600)))
    assert 0 < estimate_bytes(small, ONE, 1000) < estimate_bytes(large, ONE, 1000)
