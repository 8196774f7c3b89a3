"""The comparison of rendered photos with an independent decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.fidelity.__main__ import MAX_DIFFERENCE, compare, main
from tests.support.pictures import encoded, png_by_header, scene, with_orientation


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_compare_equal_pictures_have_no_difference(kind: str) -> None:
    finding = compare(encoded(scene(300, 200), kind), f"photo.{kind}")
    assert finding.difference is not None
    assert finding.difference < 3
    assert not finding.is_outlier


def test_compare_turned_photo_has_the_upright_size() -> None:
    finding = compare(with_orientation(scene(300, 200), 6), "photo.jpg")
    assert finding.ours is not None
    assert finding.ours.size == (300, 200)
    assert not finding.is_outlier


def test_compare_reports_other_colours_and_files_that_only_one_side_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(300, 200))
    assert compare(data[:-2], "end.jpg").note.startswith("only we open it")
    assert not compare(b"text", "text.txt").is_outlier
    lighter = np.clip(scene(300, 200).astype(int) + 40, 0, 255).astype(np.uint8)
    from PIL import Image

    monkeypatch.setattr("bench.fidelity.__main__.reference", lambda data: (Image.fromarray(lighter), "lighter"))
    finding = compare(data, "photo.jpg")
    assert finding.difference is not None
    assert finding.difference > MAX_DIFFERENCE
    assert finding.is_outlier


def test_compare_does_not_decode_a_bomb() -> None:
    finding = compare(png_by_header(20_000, 14_000), "bomb.png")
    assert finding.ours is finding.theirs is None
    assert not finding.is_outlier


def test_main_prints_a_table_and_writes_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.png").write_bytes(encoded(scene(60, 40), "PNG"))
    (folder / "end.jpg").write_bytes(encoded(scene(60, 40))[:-2])
    page = tmp_path / "out" / "page.html"
    result = CliRunner().invoke(main, [str(folder), "--page", str(page)])
    assert result.exit_code == 0, result.output
    assert "! end.jpg" in result.output
    assert "  good.png" in result.output
    assert "end.jpg" in page.read_text()
    assert "good.png" not in page.read_text()
