"""`python -m bench`: cases and contenders by name, a run over a small folder, and two runs compared."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bench.__main__ import main
from bench.cases import ALL, APART, load_case
from bench.contenders import CONTENDERS
from bench.core import runner
from bench.core.results import Run, UnreadableRun, load, save
from bench.core.samples import NoSamples, from_folder, generated, sample_set

HERE = ("ours", "floor", "floor-turbo", "pillow")
"""Contenders that need nothing but Python."""


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small photos, one of them lying on its side, and a file that is none."""
    folder = tmp_path_factory.mktemp("samples")
    random = np.random.default_rng(1)
    for place, turn in enumerate((1, 6)):
        coarse = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x0112] = turn
        picture = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
        picture.save(folder / f"photo-{place}.jpg", quality=90, exif=exif.tobytes())
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.mark.server
def test_every_case_says_what_it_is() -> None:
    listed = bench("list")
    assert listed.exit_code == 0, listed.output
    for name in (*ALL, *APART):
        case = load_case(name)
        assert name == case.NAME
        assert case.SUMMARY in listed.output
        assert "\n" not in case.SUMMARY
    for contender in CONTENDERS:
        assert contender.summary in listed.output
    with pytest.raises(KeyError):
        load_case("image.py")


def test_from_folder_describes_photos_and_names_the_rest(folder: Path) -> None:
    said: list[str] = []
    photos = from_folder(folder, said.append)
    assert [(photo.name, photo.format, photo.width, photo.turn) for photo in photos] == [
        ("photo-0.jpg", "jpeg", 640, 1),
        ("photo-1.jpg", "jpeg", 640, 6),
    ]
    assert photos[0].group == "JPEG, 0 MP"
    assert len(said) == 1
    assert "notes.txt" in said[0]
    of = sample_set(photos, "folder")
    assert (of.count, of.bytes) == (2, sum(path.stat().st_size for path in folder.glob("*.jpg")))
    assert sample_set(photos[:1], "folder").digest != of.digest


def test_generated_photos_compress_like_photos_and_are_reused(tmp_path: Path) -> None:
    said: list[str] = []
    photos = generated(said.append, tmp_path, megapixels=0.06)
    assert len(said) == len(photos) > 10
    assert {photo.turn for photo in photos} >= {1, 3, 6, 8}
    shapes = {(photo.width > photo.height, photo.megapixels > 0.1) for photo in photos}
    assert shapes == {(True, False), (True, True), (False, False), (False, True)}
    for photo in photos:
        assert 1.2 < 8 * photo.file_bytes / (photo.width * photo.height) < 5  # bits a pixel, as cameras write
    said.clear()
    assert generated(said.append, tmp_path, megapixels=0.06) == photos
    assert said == []


def test_run_with_a_folder_without_photos_exits_with_2(tmp_path: Path) -> None:
    with pytest.raises(NoSamples, match="no photo"):
        from_folder(tmp_path, print)
    found = bench("run", "image", "--samples", tmp_path)
    assert found.exit_code == 2
    assert "no photo" in found.output


def test_run_with_unknown_names_exits_with_2(folder: Path) -> None:
    found = bench("run", "image", "--samples", folder, "--contender", "stranger")
    assert found.exit_code == 2
    assert "there is no contender stranger" in found.output
    assert bench("run", "nothing").exit_code == 2


@pytest.mark.slow
@pytest.mark.server
def test_a_run_is_kept_and_compared_and_the_missing_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))  # neither Node nor ImageMagick
    from bench.contenders import imagemagick

    imagemagick.program.cache_clear()
    kept = tmp_path / "run.json"
    try:
        ran = bench("run", "image", "--samples", folder, "--rounds", "3", "--out", kept)
    finally:
        imagemagick.program.cache_clear()
    assert ran.exit_code == 0, ran.output
    run = load(kept)
    (case,) = run.cases
    assert run.samples.count == 2
    assert {missing.partition(":")[0] for missing in case.missing} == {"model", "sharp-tuned", "imagemagick"}
    assert "apt-get install imagemagick" in "".join(case.missing)
    found = {(series.contender, series.subject): series for series in case.series}
    assert set(found) == {(name, f"photo-{n}.jpg") for name in HERE for n in (0, 1)}
    for series in found.values():
        assert len(series.samples) == 3
        for sample in series.samples:
            assert sample.cpu_s > 0
            assert sample.wall_s > 0
            assert sample.extra["file_bytes"] > 10_000
            assert sample.peak_rss_mb is not None
            assert sample.peak_rss_mb > 20
    assert "libvips (floor)" in run.versions

    compared = bench("compare", kept, kept)
    assert compared.exit_code == 0, compared.output
    assert compared.output.count("within noise") == len(HERE)


@pytest.mark.server
def test_equal_work_is_proven_on_the_files(folder: Path, tmp_path: Path) -> None:
    """The case `quality` looks at large photos alone; these are small, so its parts are called as it calls them."""
    from contextlib import ExitStack

    from bench.cases import quality
    from bench.contenders.contender import outputs
    from bench.contenders.race import start
    from bench.core.runner import Context
    from bench.quality.judge import judged
    from bench.quality.reference import SHIFTS, references

    turned = from_folder(folder, lambda line: None)[1]
    looked_at = [place for place, output in enumerate(outputs()) if output.name in ("small-portrait", "thumbnail")]
    chosen = frozenset({"ours", "floor", "pillow"})
    context = Context(photos=(turned,), rounds=1, scratch=tmp_path, report=print, contenders=chosen)
    held = references(turned.read(), outputs(), SHIFTS)
    pictures = []
    with ExitStack() as stack:
        runners = start(stack, context)
        for name, worker in runners.workers.items():
            files, before = quality._render(worker, turned, tmp_path, runners.contenders[name].shows_pictures)
            assert (before is None) == (name == "floor")
            pictures += [quality._described(name, turned, place, held, files, before) for place in looked_at]
    facts, checks, remarks = judged(pictures)
    assert facts["ours: ssim_before_jpeg, worst"] > 0.99  # enlarged, but turned and cut like the reference
    assert facts["pillow: ssim_before_jpeg, worst"] > 0.99
    (equal,) = [check for check in checks if "floor" in check.name]
    assert (equal.value, equal.holds) == (0, True)
    assert any("pillow: all 2 pictures" in remark for remark in remarks)


@pytest.mark.server
@pytest.mark.parametrize("name", ["model", "sharp-tuned", "imagemagick"])
def test_installed_competitor_renders_the_same_variants(name: str, folder: Path, tmp_path: Path) -> None:
    from bench.cases import quality
    from bench.contenders.contender import outputs
    from bench.core.measure import Worker
    from bench.quality.judge import EQUAL
    from bench.quality.reference import SHIFTS, references

    (contender,) = [each for each in CONTENDERS if each.name == name]
    if contender.missing():
        pytest.skip(f"not installed: {contender.missing()}")
    turned = from_folder(folder, lambda line: None)[1]
    (place,) = [place for place, output in enumerate(outputs()) if output.name == "small-portrait"]
    with Worker(name, contender.command(), tmp_path) as worker:
        files, before = quality._render(worker, turned, tmp_path, shows=True)
    picture = quality._described(name, turned, place, references(turned.read(), outputs(), SHIFTS), files, before)
    assert picture.figures["ssim_before_jpeg"] > 0.98
    settings = picture.settings
    assert (settings.size, settings.process, settings.sampling) == ((480, 800), "baseline", ((2, 2), (1, 1), (1, 1)))
    assert name in EQUAL or name == "imagemagick"
    with Image.open(io.BytesIO(files[place])) as opened:
        assert "exif" not in opened.info
        assert "icc_profile" not in opened.info


@pytest.mark.server
def test_a_run_never_takes_the_place_of_another(tmp_path: Path) -> None:
    run = runner.run_cases(
        (), (), kind="made", rounds=1, contenders=None, seed=0, slowdown=0.0, report=lambda line: None
    )
    first = runner.place_for(run, tmp_path)
    save(run, first)
    second = runner.place_for(run, tmp_path)
    assert second != first
    assert second.name.startswith(first.stem)


@pytest.mark.server
def test_runs_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    later = tmp_path / "later.json"
    for path, word in ((broken, "no run"), (tmp_path / "absent.json", "cannot be read")):
        with pytest.raises(UnreadableRun, match=word):
            load(path)
        found = bench("compare", path, path)
        assert found.exit_code == 1
        assert path.name in found.output
    run = runner.run_cases(
        (), (), kind="made", rounds=1, contenders=None, seed=0, slowdown=0.0, report=io.StringIO().write
    )
    save(run, later)
    assert load(later) == run
    later.write_text(json.dumps(json.loads(later.read_text()) | {"schema": 99}))
    with pytest.raises(UnreadableRun, match="later version"):
        load(later)
    assert isinstance(run, Run)
    assert bench("compare", tmp_path / "absent.json", later).exit_code == 1
