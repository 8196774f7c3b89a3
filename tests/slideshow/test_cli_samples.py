"""The sample pictures: as many, as varied and as large as promised, and the same every time."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from slideshow.demo.samples import SAMPLES, make_samples, sample_jpeg

SMALL = 0.12


def test_samples_are_twelve_different_ones() -> None:
    assert len(SAMPLES) == len({sample.name for sample in SAMPLES}) == 12
    assert {sample.orientation for sample in SAMPLES} == {1, 3, 6, 8}
    assert any(sample.grey for sample in SAMPLES)
    assert any(sample.ratio < 1 for sample in SAMPLES)
    assert any(sample.ratio > 1 for sample in SAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_sample_jpeg_matches_its_entry(sample: object) -> None:
    from slideshow.demo.samples import Sample

    assert isinstance(sample, Sample)
    data = sample_jpeg(sample, SMALL)
    assert data == sample_jpeg(sample, SMALL)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert image.mode == ("L" if sample.grey else "RGB")
        assert image.getexif().get(0x0112, 1) == sample.orientation
        width, height = image.size
        if sample.orientation >= 5:
            width, height = height, width
        assert width / height == pytest.approx(sample.ratio, rel=0.02)
        assert width * height == pytest.approx(SMALL * 1e6, rel=0.05)
        # A picture, not a surface: many values, none of them nearly everywhere.
        histogram = image.convert("L").histogram()
        assert sum(count > 0 for count in histogram) > 80
        assert max(histogram) < 0.5 * width * height


def test_sample_with_orientation_is_upright_when_displayed() -> None:
    """The sky is above: once turned as EXIF says, the top is brighter or bluer than the bottom."""
    dunes = next(sample for sample in SAMPLES if sample.name == "dunes-turned-3")
    with Image.open(io.BytesIO(sample_jpeg(dunes, SMALL))) as image:
        stored = image.convert("RGB")
    upright = stored.transpose(Image.Transpose.ROTATE_180)
    top = upright.crop((0, 0, upright.width, upright.height // 10)).resize((1, 1)).getpixel((0, 0))
    bottom = upright.crop((0, upright.height * 9 // 10, *upright.size)).resize((1, 1)).getpixel((0, 0))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[2] > top[0]
    assert bottom[0] > bottom[2]


def test_make_samples_generates_only_missing_files(tmp_path: Path) -> None:
    printed: list[str] = []
    files = make_samples(tmp_path, printed.append, megapixels=0.02)
    assert [file.name for file in files] == [f"{sample.name}.jpg" for sample in SAMPLES]
    first = {file: file.read_bytes() for file in files}
    assert len(set(first.values())) == len(SAMPLES)
    assert len(printed) == 1
    assert make_samples(tmp_path, printed.append, megapixels=0.02) == files
    assert len(printed) == 1
    files[3].unlink()
    stamp = files[0].stat().st_mtime_ns
    make_samples(tmp_path, printed.append, megapixels=0.02)
    assert printed[1].startswith("generating 1 sample photo")
    assert {file: file.read_bytes() for file in files} == first
    assert files[0].stat().st_mtime_ns == stamp
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_sample_jpeg_at_full_size_has_12_megapixels_and_few_megabytes() -> None:
    data = sample_jpeg(SAMPLES[0])
    with Image.open(io.BytesIO(data)) as image:
        assert image.width * image.height == pytest.approx(12e6, rel=0.01)
    assert 1.5e6 < len(data) < 5e6
