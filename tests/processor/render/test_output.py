"""What leaves the renderer: the JPEG files byte by byte, the colours, the estimate of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from contract.messages.processing import Palette
from contract.recipes import DEVICE_PROFILE, THUMBNAIL_PROFILE
from processor.codecs import jpeg_profiles
from processor.colour.icc import is_srgb
from processor.render.decode import decode, estimate_bytes, read_header
from processor.render.palette import find_colours, proxy_pixels, quantize, score
from processor.render.pipeline import render_image
from tests.support.pictures import DEVICES, ONE, encoded, scene

ROOT = Path(__file__).resolve().parents[3]

# ITU-T T.81, table K.3: how many codes of each length the standard table of DC luminance has.
STANDARD_DC_LUMINANCE = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
STANDARD_AC_LUMINANCE = bytes([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125])
STANDARD_DC_CHROMINANCE = bytes([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
STANDARD_AC_CHROMINANCE = bytes([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119])


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """(marker, body) of every segment before the pixels."""
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
    """Table class and number to the sixteen counts."""
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


def test_the_files_are_device_safe() -> None:
    rendered = render_image(photo_with_everything(), DEVICES)
    for data in (*(variant.data for variant in rendered.variants), rendered.thumbnail):
        parts = segments(data)
        markers = [marker for marker, _ in parts]
        assert [marker for marker in markers if 0xC0 <= marker <= 0xCF and marker != 0xC4] == [0xC0]  # baseline
        assert {marker for marker in markers if marker >= 0xE0} <= {0xE0}  # JFIF, and nothing about anybody
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


def test_profiles_are_those_of_the_recipes() -> None:
    assert jpeg_profiles.DEVICE.name == DEVICE_PROFILE
    assert jpeg_profiles.DEVICE.quality == 90
    assert jpeg_profiles.THUMBNAIL.name == THUMBNAIL_PROFILE
    assert jpeg_profiles.THUMBNAIL.quality == 80
    assert jpeg_profiles.DEVICE.reason
    assert jpeg_profiles.THUMBNAIL.reason


@pytest.mark.slow
def test_no_devices_gives_thumbnail_and_colours() -> None:
    rendered = render_image(encoded(scene(1200, 800)), ())
    assert rendered.variants == ()
    assert rendered.thumbnail[:2] == b"\xff\xd8"
    assert isinstance(rendered.palette, Palette)


@pytest.mark.slow
def test_the_colours_of_a_photo() -> None:
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


def test_equal_populations_are_ordered_by_colour() -> None:
    pixels = np.array([[200, 0, 0], [0, 0, 200], [0, 200, 0]] * 50, np.uint8)
    palette, histogram = find_colours(pixels)
    assert list(histogram.items()) == [("#0000C8", 50), ("#00C800", 50), ("#C80000", 50)]
    assert palette.all_colors[3:] == (palette.primary,) * 5
    assert set(palette.all_colors) == set(histogram)


def test_a_fade_of_two_colours_fills_up_with_the_first() -> None:
    palette, _ = find_colours(np.array([[20, 60, 200]] * 90 + [[128, 128, 128]] * 10, np.uint8))
    assert set(palette.all_colors) == {"#143CC8"}


def test_nothing_coloured_scores_nothing() -> None:
    assert score({(10, 10, 10): 5, (250, 250, 250): 9}, 8) == []
    assert quantize(np.array([[1, 2, 3]] * 4, np.uint8), 128) == {(1, 2, 3): 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "shrink", "proxy"),
    [((1024, 600), 1, 256 * 150), ((100, 60), 1, 6000), ((1024, 600), 4, 256 * 150)],
)
def test_the_proxy_has_the_photos_shape(size: tuple[int, int], shrink: int, proxy: int) -> None:
    data = encoded(scene(*size))
    base = decode(data, read_header(data, "x"), shrink, "x")
    pixels = proxy_pixels(base)
    assert pixels.shape == (proxy, 3)
    assert not pixels.flags.owndata  # a view of what libvips wrote
    assert np.abs(pixels.mean(axis=0) - scene(*size).reshape(-1, 3).mean(axis=0)).max() < 2


def test_srgb_is_told_from_what_only_claims_to_be() -> None:
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
    """The sRGB profile with a table appended as the curve of all three channels."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    table = b"curv\0\0\0\0" + len(points).to_bytes(4, "big") + b"".join(p.to_bytes(2, "big") for p in points)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        place = profile.find(tag, 128)
        profile[place + 4 : place + 12] = len(profile).to_bytes(4, "big") + len(table).to_bytes(4, "big")
    return bytes(profile) + table


def test_curves_may_be_tables() -> None:
    steps = np.linspace(0, 1, 1024)
    linear = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    assert is_srgb(srgb_with_table([round(value * 65535) for value in linear]))
    assert not is_srgb(srgb_with_table([0, 65535]))
    assert not is_srgb(srgb_with_table([563]))  # one entry is a gamma, 2.2 here


MEASURE = """
import sys
from tests.support.pictures import DEVICES
from processor.render.decode import estimate_bytes, read_header
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
def test_the_estimate_of_memory_is_honest(kind: str, options: dict[str, object]) -> None:
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
def test_the_estimate_grows_with_what_is_asked() -> None:
    data = encoded(scene(1600, 1200))
    header = read_header(data, "x")
    assert estimate_bytes(header, (), len(data)) < estimate_bytes(header, DEVICES, len(data))
    assert estimate_bytes(header, ONE, len(data)) < estimate_bytes(header, ONE, len(data) + 10_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GIF", "AVIF", "TIFF", "PNG", "WEBP"])
def test_every_format_needs_more_for_more_pixels(kind: str) -> None:
    small, large = (read_header(encoded(scene(*size), kind), "x") for size in ((200, 150), (800, 600)))
    assert 0 < estimate_bytes(small, ONE, 1000) < estimate_bytes(large, ONE, 1000)
