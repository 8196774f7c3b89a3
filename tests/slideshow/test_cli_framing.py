"""`slideshow framing`: a page with both framings of every photo."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from slideshow.__main__ import main
from slideshow.photos.screens import DEFAULT_SCREENS
from tests.support import cli_pictures


def test_framing_page_has_both_crops_for_every_screen(tmp_path: Path) -> None:
    folder = cli_pictures.four_files(tmp_path / "photos")
    (folder / "broken <b>.jpg").write_bytes(b"no photo")
    page = tmp_path / "page.html"
    ran = CliRunner().invoke(main, ["framing", str(folder), "--html", str(page)])
    assert ran.exit_code == 0, ran.output
    text = page.read_text()
    sections = text.count("<section>")
    assert f"wrote {sections} of " in ran.stdout
    assert sections >= 2
    assert "<b>" not in text
    assert "http" not in text.replace("http-equiv", "")
    for name, tag in (("centred crop", "img"), ("crop around the focal point", "img")):
        found = re.findall(f'<{tag} alt="{name}" src="data:image/jpeg;base64,([^"]+)"', text)
        assert len(found) == sections * len(DEFAULT_SCREENS)
        sizes = {Image.open(io.BytesIO(base64.b64decode(data))).size for data in found}
        assert sizes == {(round(screen.width * 150 / screen.height), 150) for screen in DEFAULT_SCREENS}


def test_framing_without_readable_photo_fails(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_bytes(b"no photo")
    ran = CliRunner().invoke(main, ["framing", str(tmp_path / "text.jpg"), "--html", str(tmp_path / "page.html")])
    assert ran.exit_code == 1
    assert "none of the photos" in ran.output
    ran = CliRunner().invoke(
        main, ["framing", str(tmp_path / "text.jpg"), "--html", str(tmp_path / "text.jpg" / "page.html")]
    )
    assert ran.exit_code == 1
    assert "page.html" in ran.output
