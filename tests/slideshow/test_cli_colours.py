"""`slideshow colours` end to end: photos in; swatches, data or a page out."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

from slideshow.__main__ import main
from slideshow.commands.colours import print_photo
from slideshow.photos.colours import colours_of_file
from slideshow.photos.colours_page import text_on
from tests.support import cli_pictures


def grey_photo() -> bytes:
    image = Image.linear_gradient("L").resize((300, 200))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = cli_pictures.four_files(tmp_path / "photos")
    (folder / "b again.jpg").unlink()
    (folder / "grey <b>.jpg").write_bytes(grey_photo())
    return folder


def colours(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["colours", *map(str, arguments)])


def results(*arguments: object) -> dict[str, dict[str, object]]:
    ran = colours(*arguments, "--json")
    assert ran.exit_code == 0, ran.output
    return {Path(row["file"]).name: row for row in json.loads(ran.stdout)["results"]}


def test_colours_without_a_terminal_prints_numbers(photos: Path) -> None:
    ran = colours(photos)
    assert ran.exit_code == 0, ran.output
    assert "broken.jpg" in ran.stderr
    assert f"{photos / 'a.jpg'}: 480x360\n" in ran.stdout
    assert "grey <b>.jpg: 300x200, no colours found: palette of its own tones" in ran.stdout
    assert len(re.findall(r"^  palette ( #[0-9A-F]{6}){8}$", ran.stdout, re.MULTILINE)) == 3
    for name in ("light", "dark"):
        lines = re.findall(rf"^  {name} .*primary #[0-9A-F]{{6}} .*surface #[0-9A-F]{{6}}", ran.stdout, re.MULTILINE)
        assert len(lines) == 3
    assert "\x1b" not in ran.stdout


def test_colours_on_a_colour_terminal_prints_swatches(photos: Path) -> None:
    photo, _ = colours_of_file(photos / "a.jpg", None, 0.0, preview=False)
    assert photo.color_palette is not None
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=300)
    print_photo(console, photo)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    for colour in photo.color_palette.all_colors:
        red, green, blue = bytes.fromhex(colour[1:])
        assert f"48;2;{red};{green};{blue}m" in printed


def test_colours_json_has_palette_schemes_and_histogram(photos: Path) -> None:
    rows = results(photos)
    assert set(rows) == {"a.jpg", "b.jpg", "broken.jpg", "grey <b>.jpg"}
    assert rows["broken.jpg"].keys() == {"file", "error"}
    row = rows["b.jpg"]
    assert (row["width"], row["height"], row["orientation"]) == (300, 400, "portrait")
    palette, schemes, histogram = row["colorPalette"], row["schemes"], row["histogram"]
    assert isinstance(palette, dict)
    assert isinstance(schemes, dict)
    assert isinstance(histogram, dict)
    assert palette["neutral"] is False
    assert schemes["sourceColor"] == palette["sourceColor"]
    assert (schemes["variant"], schemes["contrast"]) == ("tonal_spot", 0.0)
    assert schemes["light"].keys() == schemes["dark"].keys()
    assert sum(histogram.values()) == 192 * 256
    grey = rows["grey <b>.jpg"]
    assert isinstance(grey["colorPalette"], dict)
    assert isinstance(grey["schemes"], dict)
    assert grey["colorPalette"]["neutral"] is True
    assert len(set(grey["colorPalette"]["allColors"])) == 8
    assert grey["schemes"]["variant"] == "fidelity"


def test_colours_with_variant_and_contrast_changes_the_schemes(photos: Path) -> None:
    plain = results(photos / "a.jpg")["a.jpg"]["schemes"]
    chosen = results(photos / "a.jpg", "--variant", "vibrant", "--contrast", "1")["a.jpg"]["schemes"]
    assert isinstance(plain, dict)
    assert isinstance(chosen, dict)
    assert (chosen["variant"], chosen["contrast"]) == ("vibrant", 1.0)
    assert chosen["light"] != plain["light"]


class Seen(HTMLParser):
    """Tags, the photos' names, and every address that the page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_colours_page_is_self_contained(photos: Path, tmp_path: Path) -> None:
    page = tmp_path / "made" / "colours.html"
    ran = colours(photos, "--html", page)
    assert ran.exit_code == 0, ran.output
    assert f"wrote 3 of 4 photos to {page}" in ran.stdout
    seen = Seen(page.read_text(encoding="utf-8"))
    assert seen.tags.count("section") == seen.tags.count("img") == len(seen.addresses) == 3
    assert "script" not in seen.tags
    assert "b" not in seen.tags  # the name's angle brackets are text
    assert "grey <b>.jpg" in seen.words
    assert "no colours found: palette of its own tones" in seen.words
    assert "broken.jpg" not in seen.words
    sizes = []
    for address in seen.addresses:
        assert address.startswith("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as preview:
            sizes.append(preview.size)
    assert sizes == [(320, 240), (240, 320), (300, 200)]
    palette = results(photos / "a.jpg")["a.jpg"]["colorPalette"]
    assert isinstance(palette, dict)
    assert f"primary{palette['primary']}" in seen.words
    assert list(page.parent.iterdir()) == [page]


def test_colours_with_html_and_json_writes_both(photos: Path, tmp_path: Path) -> None:
    page = tmp_path / "colours.html"
    assert len(results(photos, "--html", page)) == 4
    assert page.read_text().endswith("</html>\n")


def test_colours_without_readable_photo_fails_and_keeps_the_old_page(photos: Path, tmp_path: Path) -> None:
    page = tmp_path / "colours.html"
    page.write_text("before")
    ran = colours(photos / "broken.jpg", "--html", page)
    assert ran.exit_code == 1
    assert "none of the photos could be read" in ran.stderr
    assert page.read_text() == "before"
    assert not list(tmp_path.glob(".*.part"))


def test_colours_to_an_unwritable_page_names_it(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ran = colours(photos / "a.jpg", "--html", tmp_path / "file" / "colours.html")
    assert ran.exit_code == 1
    assert "colours.html cannot be written" in ran.stderr


def test_colours_with_wrong_options_exits_with_2(photos: Path, tmp_path: Path) -> None:
    for wrong in (["--variant", "loud"], ["--contrast", "1.5"], ["--contrast", "nan"]):
        ran = colours(photos, *wrong)
        assert ran.exit_code == 2
        assert wrong[0] in ran.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("no picture")
    ran = colours(empty)
    assert ran.exit_code == 2
    assert "no photos in" in ran.stderr
    assert "skipped 1 file: not an image" in ran.stderr


def test_colours_of_a_file_too_large_or_missing_reports_an_error(tmp_path: Path) -> None:
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(257 * 2**20)  # a hole: nothing is written to the disk
    found, preview = colours_of_file(large, None, 0.0, preview=True)
    assert found.error is not None
    assert "is too large (257 MiB); the limit is 256 MiB" in found.error
    gone, _ = colours_of_file(tmp_path / "gone.jpg", None, 0.0, preview=True)
    assert gone.error is not None
    assert "cannot be read: No such file" in gone.error
    assert preview == b""


def test_text_on_returns_the_colour_with_contrast() -> None:
    assert text_on("#FFFFFF") == text_on("#FFFF00") == "#000000"
    assert text_on("#000000") == text_on("#0000FF") == "#FFFFFF"
