"""Variants of every supported format, orientation and colour space."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from contract.messages.processing import Device
from contract.recipes import CENTRE
from processor.codecs.vips import pyvips
from processor.render.header import read_header
from processor.render.pipeline import render_image
from tests.support.picture_measures import mean_delta_e, ssim
from tests.support.pictures import (
    DEVICES,
    HALVES,
    ONE,
    encoded,
    encoded_image,
    pixels_of,
    scene,
    smooth,
    with_orientation,
)

RELATIVE = ImageCms.Intent.RELATIVE_COLORIMETRIC
SAME_SIZE = (Device(name="same", width=320, height=200),)


def shown(data: bytes, devices: tuple[Device, ...] = SAME_SIZE) -> np.ndarray:
    return pixels_of(render_image(data, devices, framing=CENTRE, name="photo").variants[0].data)


def vips_image(pixels: np.ndarray) -> pyvips.Image:
    return pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 98}),
        ("PNG", {"compress_level": 1}),
        ("WEBP", {"lossless": True, "method": 0}),
        ("TIFF", {}),
    ],
)
def test_render_image_all_orientations_look_the_same(kind: str, options: dict[str, Any]) -> None:
    upright = scene(450, 300)
    # One that is enlarged, one that shows a narrow part, one that is reduced.
    devices = (Device(name="large", width=500, height=281), HALVES[4], ONE[0])
    rendered = [
        render_image(with_orientation(upright, orientation, kind, **options), devices, framing=CENTRE)
        for orientation in range(1, 9)
    ]
    assert {(r.width, r.height, r.orientation) for r in rendered} == {(450, 300, "landscape")}
    for place in range(len(devices)):
        pictures = [pixels_of(r.variants[place].data) for r in rendered]
        for first, second in combinations(range(8), 2) if kind == "JPEG" else ((0, n) for n in range(1, 8)):
            assert ssim(pictures[first], pictures[second]) > 0.97, (kind, first + 1, second + 1)
    thumbnails = [pixels_of(r.thumbnail) for r in rendered]
    assert min(ssim(thumbnails[0], other) for other in thumbnails) > 0.97


@pytest.mark.slow
def test_render_image_large_turned_photo_is_upright_after_shrink() -> None:
    upright = scene(1600, 1072)
    reference = shown(with_orientation(upright, 1))
    for orientation in (3, 5, 6, 7, 8):
        assert ssim(reference, shown(with_orientation(upright, orientation))) > 0.97


def test_render_image_display_p3_is_converted() -> None:
    tagged = vips_image(smooth()).icc_transform("p3", input_profile="srgb", embedded=False)
    data = tagged.jpegsave_buffer(Q=98, subsample_mode="off", keep="icc")
    profile = Image.open(io.BytesIO(data)).info["icc_profile"]
    reference = ImageCms.profileToProfile(
        Image.open(io.BytesIO(data)).convert("RGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=RELATIVE,
    )
    found = shown(data)
    assert mean_delta_e(found, np.asarray(reference)) < 3
    # Without conversion it would be visibly another picture.
    assert mean_delta_e(pixels_of(data), np.asarray(reference)) > 3


def test_render_image_srgb_profile_changes_nothing() -> None:
    plain = encoded(smooth())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(shown(plain), shown(encoded(smooth(), icc_profile=profile)))


def adobe_like_profile() -> bytes:
    """Return the P3 profile with a plain gamma of 2.2 for its curves, because Pillow cannot make one."""
    tagged = vips_image(smooth(16, 16)).icc_transform("p3", input_profile="srgb").pngsave_buffer(keep="icc")
    profile = bytearray(Image.open(io.BytesIO(tagged)).info["icc_profile"])
    place = profile.find(b"para\0\0\0\0\0\3")
    assert place > 0
    profile[place : place + 14] = b"curv\0\0\0\0\0\0\0\1\x02\x33"
    return bytes(profile)


def test_render_image_wide_profile_with_plain_gamma_is_converted() -> None:
    data = encoded(smooth(), icc_profile=adobe_like_profile())
    reference = ImageCms.profileToProfile(
        Image.fromarray(smooth()),
        ImageCms.ImageCmsProfile(io.BytesIO(adobe_like_profile())),
        ImageCms.createProfile("sRGB"),
        renderingIntent=RELATIVE,
    )
    assert mean_delta_e(shown(data), np.asarray(reference)) < 3


@pytest.mark.parametrize("junk", [b"not a profile at all", b"\0" * 200, b"\0" * 128 + b"\xff" * 100])
def test_render_image_broken_profile_is_dropped(junk: bytes) -> None:
    assert mean_delta_e(shown(encoded(smooth(), icc_profile=junk)), smooth()) < 2


@pytest.mark.parametrize("keep", ["icc", "none"])
def test_render_image_cmyk_is_converted(keep: str) -> None:
    pastel = (smooth() // 4 + 120).astype(np.uint8)  # inside what can be printed
    cmyk = vips_image(pastel).icc_transform("cmyk", input_profile="srgb", intent="relative")
    data = cmyk.jpegsave_buffer(Q=98, keep=keep)
    assert read_header(data, "x").bands == 4
    assert mean_delta_e(shown(data), pastel) < 6


@pytest.mark.parametrize("interlace", [False, True])
def test_render_image_sixteen_bit_png_is_converted(interlace: bool) -> None:
    wide = (vips_image(smooth()).cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    data = wide.pngsave_buffer(interlace=interlace)
    header = read_header(data, "x")
    assert (header.bits, header.progressive) == (16, interlace)
    assert mean_delta_e(shown(data), smooth()) < 2


def test_render_image_grey_stays_grey() -> None:
    grey = scene(320, 200)[..., 0]
    for data in (
        encoded(grey, "JPEG"),
        encoded(grey, "PNG"),
        encoded(np.stack([grey, np.full_like(grey, 255)], axis=-1), "PNG"),
        encoded((grey.astype(np.uint16) * 257), "PNG"),
    ):
        found = shown(data)
        assert np.abs(found.astype(int) - grey[..., None]).mean() < 4
        assert np.ptp(found.astype(int), axis=-1).max() <= 2


def test_render_image_one_grey_is_the_whole_palette() -> None:
    palette = render_image(encoded(np.full((40, 60), 87, np.uint8), "PNG"), ()).palette
    assert set(palette.all_colors) == {"#575757"}
    assert palette.primary == palette.source_color == "#575757"


def test_render_image_indexed_png_keeps_its_colours() -> None:
    data = encoded_image(Image.fromarray(smooth()).convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
    assert mean_delta_e(shown(data), smooth()) < 6


def half_transparent() -> np.ndarray:
    rgba = np.zeros((400, 640, 4), np.uint8)
    rgba[..., :3] = (10, 200, 30)
    rgba[:, 320:] = (250, 0, 0, 255)
    return rgba


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_render_image_transparency_is_white_and_adds_no_colour(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    rendered = render_image(encoded(half_transparent(), kind, **options), ONE)
    found = pixels_of(rendered.variants[0].data)
    assert np.abs(found[:, :150].astype(int) - 255).max() <= 4
    assert np.abs(found[:, 170:].astype(int) - (250, 0, 0)).max() <= 8
    assert set(rendered.histogram) == {"#FA0000"}


def test_render_image_fully_transparent_photo_has_a_white_palette() -> None:
    rendered = render_image(encoded(np.zeros((50, 80, 4), np.uint8), "PNG"), ONE)
    assert rendered.histogram == {"#FFFFFF": 4000}


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_render_image_animation_shows_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("#20A040", "#C03010", "#0000FF")]
    data = encoded_image(frames[0], kind, save_all=True, append_images=frames[1:], duration=80)
    header = read_header(data, "moving")
    assert (header.pages, header.width, header.height) == (3, 64, 48)
    assert np.abs(shown(data)[100, 160].astype(int) - (0x20, 0xA0, 0x40)).max() < 12


def test_render_image_multi_page_tiff_shows_the_first_page() -> None:
    pages = [Image.new("RGB", (64, 48), colour) for colour in ("#20A040", "#C03010")]
    data = encoded_image(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_header(data, "pages").pages == 2
    assert np.abs(shown(data)[100, 160].astype(int) - (0x20, 0xA0, 0x40)).max() < 6


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (2, 4000), (4000, 2), (3, 3), (801, 481)])
def test_render_image_any_size_gives_exact_device_sizes(size: tuple[int, int]) -> None:
    devices = (*DEVICES, Device(name="dot", width=1, height=1), Device(name="line", width=1500, height=1))
    rendered = render_image(encoded(scene(*size), "PNG"), devices)
    for variant in rendered.variants:
        with Image.open(io.BytesIO(variant.data)) as image:
            assert image.size == (variant.width, variant.height) == (variant.device.width, variant.device.height)
    with Image.open(io.BytesIO(rendered.thumbnail)) as image:
        assert image.size == (200, 200)
    assert (rendered.width, rendered.height) == size


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2])
def test_render_image_avif_and_webp_match_the_original_at_every_shrink(k: int) -> None:
    picture = scene(320 * k, 200 * k)
    expected = np.asarray(Image.fromarray(picture).resize((320, 200), Image.Resampling.LANCZOS))
    avif = encoded(picture, "AVIF", quality=95)
    assert read_header(avif, "x").loader == "avif"
    for data in (avif, encoded(picture, "WEBP", quality=95)):
        assert ssim(shown(data), expected) > 0.93


def test_render_image_progressive_jpeg_equals_baseline() -> None:
    picture = scene(640, 400)
    data = encoded(picture, progressive=True)
    assert read_header(data, "x").progressive
    assert ssim(shown(data), shown(encoded(picture))) > 0.99


@pytest.mark.slow
def test_render_image_variants_are_close_to_one_full_lanczos() -> None:
    found = []
    for seed, (width, height) in enumerate([(1200, 800), (755, 1009), (999, 751)]):
        data = encoded(scene(width, height, seed=seed))
        with Image.open(io.BytesIO(data)) as photo:
            for variant in render_image(data, HALVES, framing=CENTRE).variants:
                scale = max(variant.width / width, variant.height / height)
                if scale > 1:
                    continue
                # The same crop as exact fractions, in one step from the full picture.
                w, h = min(width, variant.width / scale), min(height, variant.height / scale)
                left, top = (width - w) / 2, (height - h) / 2
                size = (variant.width, variant.height)
                reference = photo.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + w, top + h))
                expected = np.asarray(reference)
                found.append(ssim(pixels_of(variant.data), expected))
                # What JPEG alone takes away from the reference; ours may lose hardly more.
                as_jpeg = pixels_of(encoded_image(reference, quality=90, subsampling=2))
                assert found[-1] > ssim(as_jpeg, expected) - 0.01, (width, height, variant.device.name)
    assert len(found) >= 13
    assert np.median(found) >= 0.99, sorted(found)


def test_render_image_on_four_threads_gives_the_same_result() -> None:
    files = [encoded(scene(600, 450, seed)) for seed in range(4)]
    alone = [render_image(data, ONE) for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: render_image(data, ONE), files * 3))
    assert together == alone * 3


def test_render_image_unknown_framing_raises() -> None:
    with pytest.raises(ValueError, match="unknown framing 'smart'"):
        render_image(b"", (), framing="smart")


def test_render_image_sixteen_bit_alpha_is_applied() -> None:
    wide = (pyvips.Image.new_from_array(half_transparent()).cast("ushort") * 257).cast("ushort")
    found = shown(wide.copy(interpretation="rgb16").pngsave_buffer())
    assert np.abs(found[:, :150].astype(int) - 255).max() <= 4
    assert np.abs(found[:, 170:].astype(int) - (250, 0, 0)).max() <= 8


def test_render_image_tiff_with_extra_bands_or_floats_is_converted() -> None:
    picture = vips_image(smooth())
    five = picture.bandjoin([128, 255]).copy(interpretation="multiband")
    assert mean_delta_e(shown(five.tiffsave_buffer()), smooth()) < 2
    floats = picture.colourspace("scrgb")
    assert mean_delta_e(shown(floats.tiffsave_buffer()), smooth()) < 3


def test_render_image_rgb_profile_on_grey_is_dropped() -> None:
    grey = scene(320, 200)[..., 0]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = shown(encoded(grey, "JPEG", icc_profile=profile))
    assert np.abs(found.astype(int) - grey[..., None]).mean() < 4


def test_render_image_profile_without_curves_is_dropped() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    useless = profile.replace(b"rTRC", b"rXXX").replace(b"gTRC", b"gXXX").replace(b"bTRC", b"bXXX")
    assert mean_delta_e(shown(encoded(smooth(), icc_profile=useless)), smooth()) < 2
