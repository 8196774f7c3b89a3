"""The demo with Google Cloud emulators has the same output as with the disk; differences are listed."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from bench.cloud_demo.compare_buckets import Comparison, compare_buckets
from bench.cloud_demo.run import verdict
from contract import object_names
from contract.bucket.disk import DiskBucket
from contract.bucket.port import Bucket, uri_of
from contract.messages.processing import Palette, Thumbnail
from contract.messages.records import ImageRecord
from contract.messages.sidecars import Sidecar, SidecarResult

ROOT = Path(__file__).parents[2]
ID = "0123456789abcdef" * 2
VARIANT, THUMBNAIL = object_names.variant("hall", ID, "0" * 10), object_names.thumbnail(ID, "1" * 10)
RED, BLUE = "#FF0000", "#0000FF"


def picture(number: int) -> bytes:
    out = io.BytesIO()
    mask = Image.radial_gradient("L").resize((240, 180))
    one, other = (Image.new("RGB", mask.size, (number * 60, 90, blue)) for blue in (20, 220))
    Image.composite(one, other, mask).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.server
def test_the_whole_main_job_makes_the_same_over_google_cloud_as_on_disk(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"photo {number}.jpg").write_bytes(picture(number))
    (tmp_path / "broken.jpg").write_bytes(picture(4)[:-500])
    command = [sys.executable, "-m", "bench.cloud_demo.run", "--transport", "rest", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr + done.stdout
    *_, broken, last = done.stdout.splitlines()
    assert broken.startswith(f"{tmp_path / 'broken.jpg'}: failed (broken.jpg is damaged or cut off")
    assert broken.endswith(", in both runs")
    assert last.startswith("IDENTICAL: 4 photos; 15 variants, 3 thumbnails, 3 palettes, 3 histograms byte by byte")
    assert "3 sidecars except time, owner, seconds and address" in last
    assert "the job was executed" in done.stderr


def filled(folder: Path, *, pixels: bytes = b"pixels", colour: str = RED, run: int = 1) -> Bucket:
    """A bucket after one photo; `run` sets the fields that differ between runs."""
    folder.mkdir()
    bucket = DiskBucket(folder.as_uri())
    colours = (colour,) * 8
    palette = Palette(primary=RED, secondary=RED, tertiary=RED, source_color=RED, all_colors=colours)
    result = SidecarResult(
        device_size="hall",
        width=80,
        height=48,
        file_path=uri_of(bucket, VARIANT),
        colors=colours,
        primary=RED,
        secondary=RED,
        tertiary=RED,
    )
    sidecar = Sidecar(
        image_id=ID,
        processed_at=f"2030-01-0{run}T00:00:00+00:00",
        results=(result,),
        histogram={colour: 9},
        thumbnail=Thumbnail(file_path=uri_of(bucket, THUMBNAIL), width=200, height=200),
        owner=f"run-{run}/0",
        seconds=run / 10,
    )
    record = ImageRecord(image_id=ID, revision=run, palette=palette, histogram={colour: 9}, processed_at=float(run))
    bucket.create(object_names.original(ID, ".jpg"), b"an upload", "image/jpeg")
    bucket.create(VARIANT, pixels, "image/jpeg")
    bucket.create(THUMBNAIL, b"a thumbnail", "image/jpeg")
    bucket.replace(object_names.record(ID), msgspec.json.encode(record), "application/json")
    bucket.replace(object_names.sidecar(ID), msgspec.json.encode(sidecar), "application/json")
    return bucket


def test_compare_buckets_ignores_time_owner_and_address(tmp_path: Path) -> None:
    found = compare_buckets(filled(tmp_path / "a"), filled(tmp_path / "b", run=2))
    assert found.differences == []
    kinds = ("originals", "variants", "thumbnails", "palettes", "histograms", "sidecars")
    assert found.same == Counter(dict.fromkeys(kinds, 1))
    assert verdict(found, 2.0, 1.0).startswith("IDENTICAL: 1 photo; 1 variants")


def test_compare_buckets_lists_each_difference(tmp_path: Path) -> None:
    first = filled(tmp_path / "a")
    second = filled(tmp_path / "b", pixels=b"others", colour=BLUE)
    second.delete(THUMBNAIL)
    found = compare_buckets(first, second)
    assert found.same == Counter(originals=1)
    variant, thumbnail, palettes, histograms, sidecar = found.differences
    assert variant == f"{VARIANT}: the bytes differ"
    assert thumbnail == f"{THUMBNAIL}: exists only in {first.url}"
    assert palettes.startswith(f"{object_names.record(ID)}: the palettes differ")
    assert histograms.startswith(f"{object_names.record(ID)}: the histograms differ")
    assert sidecar == f"{object_names.sidecar(ID)}: different results, histogram"
    assert verdict(found, 2.0, 1.0).startswith("DIFFERENT: 5 differences")


@pytest.mark.parametrize("same", [Counter(), Counter(originals=3)])
def test_verdict_without_variants_is_nothing_compared(same: Counter[str]) -> None:
    assert verdict(Comparison(same=same), 2.0, 1.0).startswith("NOTHING COMPARED")
