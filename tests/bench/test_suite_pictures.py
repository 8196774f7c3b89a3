"""SSIM, PSNR, reference and encoder settings, each against an independent computation."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bench.contenders.contender import Output
from bench.quality.jpeg_markers import NotJpeg, differing, read_settings
from bench.quality.reference import SHIFTS, references
from bench.quality.ssim import psnr, ssim


def picture(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def slow_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Window by window, from the formula."""
    weights = np.exp(-(np.add.outer((np.arange(11) - 5.0) ** 2, (np.arange(11) - 5.0) ** 2)) / (2 * 1.5**2))
    weights /= weights.sum()
    a, b = (side.astype(float) @ [0.299, 0.587, 0.114] for side in (first, second))
    found = []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            left, right = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mean_l, mean_r = (weights * left).sum(), (weights * right).sum()
            var_l, var_r = (weights * (left - mean_l) ** 2).sum(), (weights * (right - mean_r) ** 2).sum()
            both = (weights * (left - mean_l) * (right - mean_r)).sum()
            c1, c2 = 6.5025, 58.5225
            found.append(
                (2 * mean_l * mean_r + c1) * (2 * both + c2) / ((mean_l**2 + mean_r**2 + c1) * (var_l + var_r + c2))
            )
    return float(np.mean(found))


def test_ssim_equals_its_formula() -> None:
    first = picture(1)
    noisy = np.clip(first + np.random.default_rng(2).normal(0, 12, first.shape), 0, 255).astype(np.uint8)
    assert ssim(first, noisy) == pytest.approx(slow_ssim(first, noisy), abs=1e-4)
    assert ssim(first, first) == pytest.approx(1, abs=1e-6)
    assert ssim(first, picture(3)) < ssim(first, noisy) < 1


def test_psnr_equals_its_formula() -> None:
    first = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(first, first + np.uint8(5)) == pytest.approx(10 * np.log10(255**2 / 25))
    assert psnr(first, first) == 99.0


def test_ssim_and_psnr_of_different_sizes_raise() -> None:
    for measure in (ssim, psnr):
        with pytest.raises(ValueError, match="cannot be compared"):
            measure(picture(1), picture(1, 41))
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(picture(1, 10), picture(1, 10))


def jpeg(pixels: np.ndarray, **how) -> bytes:
    into = io.BytesIO()
    Image.fromarray(pixels).save(into, "JPEG", **{"quality": 90, "subsampling": "4:2:0", **how})
    return into.getvalue()


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ({}, ()),
        ({"quality": 80}, ("quantization",)),
        ({"subsampling": "4:4:4"}, ("sampling",)),
        ({"optimize": True}, ("huffman",)),
    ],
)
def test_differing_names_the_changed_settings(how: dict, names: tuple[str, ...]) -> None:
    assert differing(read_settings(jpeg(picture(1))), read_settings(jpeg(picture(2), **how))) == names


def test_read_settings_returns_size_and_process() -> None:
    plain, progressive = read_settings(jpeg(picture(1))), read_settings(jpeg(picture(1, 30, 20), progressive=True))
    assert (plain.size, plain.process, plain.sampling) == ((50, 40), "baseline", ((2, 2), (1, 1), (1, 1)))
    assert (progressive.size, progressive.process) == ((20, 30), "progressive")
    assert [len(table) for table in plain.quantization] == [64, 64, 64]
    assert [slot for slot, _ in plain.huffman] == [0x00, 0x01, 0x10, 0x11]


def test_read_settings_of_an_incomplete_file_raises() -> None:
    whole = jpeg(picture(1))
    for end in (0, 1, 5, 30, 160, 500):
        with pytest.raises(NotJpeg):
            read_settings(whole[:end])
    with pytest.raises(NotJpeg):
        read_settings(b"\xff\xd8\xff\xdb\x00\x04\x00\x01" + whole[2:])


def test_references_are_upright_and_centred() -> None:
    # Upright: red left half, blue right half; stored lying on its side, as orientation 6 says.
    upright = np.zeros((40, 80, 3), np.uint8)
    upright[:, :40], upright[:, 40:] = (220, 0, 0), (0, 0, 220)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(np.ascontiguousarray(np.rot90(upright)), quality=100, subsampling="4:4:4", exif=exif.tobytes())
    (wide,), (square,) = references(data, [Output("wide", 40, 20, 90), Output("square", 20, 20, 90)])
    assert wide.shape == (20, 40, 3)
    assert square.shape == (20, 20, 3)
    for made in (wide, square):
        half = made.shape[1] // 2
        assert (made[:, : half - 3, 0] > 180).all()
        assert (made[:, half + 3 :, 2] > 180).all()


def test_references_with_a_shift_move_along_the_cropped_side() -> None:
    ramp = np.repeat(np.arange(0, 240, 3, dtype=np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    data = jpeg(np.ascontiguousarray(ramp), quality=100, subsampling="4:4:4")
    ((exact, before, after),) = references(data, [Output("square", 20, 20, 90)], SHIFTS)
    steps = [float((made.astype(float) - exact).mean()) for made in (before, after)]
    assert steps == pytest.approx([-3, 3], abs=0.5)  # half a pixel of the output is one of the photo, a step of 3
    ((same, moved),) = references(data, [Output("whole", 80, 40, 90)], (0.0, 0.5))
    assert (same == moved).all()  # nothing is cropped, so there is no room
