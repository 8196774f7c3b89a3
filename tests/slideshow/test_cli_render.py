"""`slideshow render` end to end: files in, files out."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from slideshow.__main__ import main
from slideshow.photos.render_to_folder import output_names


def photo(colour: tuple[int, int, int], size: tuple[int, int] = (320, 240)) -> bytes:
    buffer = io.BytesIO()
    image = Image.new("RGB", size, colour)
    image.paste((20, 40, 60), (0, 0, size[0] // 3, size[1] // 2))
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "red.jpg").write_bytes(photo((200, 30, 30)))
    (folder / "more" / "red.jpg").write_bytes(photo((30, 30, 200), (200, 300)))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (folder / "notes.txt").write_text("no picture")
    return folder


def render(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["render", *map(str, arguments)])


def test_render_writes_variants_thumbnails_and_palettes(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = render(photos, "--out", out, "--device", "kitchen=120x80", "--device", "hall=80x120")
    assert result.exit_code == 0, result.output
    assert "rendered 2 of 3 photos for 2 frames" in result.stdout
    assert "broken.jpg" in result.stderr
    assert "skipped 1 file: not an image" in result.stderr
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == sorted(
        f"{folder}/{name}{ending}"
        for folder, ending in (("hall", ".jpg"), ("kitchen", ".jpg"), ("thumbnails", ".jpg"), ("palettes", ".json"))
        for name in ("red", "red-2")
    )
    for device, size in (("kitchen", (120, 80)), ("hall", (80, 120)), ("thumbnails", (200, 200))):
        with Image.open(out / device / "red.jpg") as image:
            assert (image.format, image.size) == ("JPEG", size)
    palette = json.loads((out / "palettes/red-2.json").read_text())
    assert (palette["width"], palette["height"], palette["orientation"]) == (200, 300, "portrait")
    assert len(palette["colorPalette"]["allColors"]) == 8


def test_render_json_lists_the_written_files(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = render(photos, "--out", out, "--device", "kitchen=120x80", "--json", "--no-recurse")
    assert result.exit_code == 0, result.output
    rows = {Path(row["file"]).name: row for row in json.loads(result.stdout)["results"]}
    assert set(rows) == {"red.jpg", "broken.jpg"}
    assert "broken.jpg" in rows["broken.jpg"]["error"]
    red = rows["red.jpg"]
    assert (red["width"], red["height"]) == (320, 240)
    assert Path(red["variants"]["kitchen"]).read_bytes().startswith(b"\xff\xd8\xff")
    assert Path(red["thumbnail"]).is_file()
    assert Path(red["palette"]).is_file()


def test_render_without_devices_uses_five_screens(photos: Path, tmp_path: Path) -> None:
    result = render(photos / "red.jpg", "--out", tmp_path / "out", "--json")
    assert len(json.loads(result.stdout)["results"][0]["variants"]) == 5


def test_render_without_any_rendered_photo_fails(photos: Path, tmp_path: Path) -> None:
    result = render(photos / "broken.jpg", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "none of the photos could be rendered" in result.stderr


def test_render_repeated_ignores_its_own_output(photos: Path) -> None:
    arguments = (photos, "--out", photos / "out", "--device", "kitchen=120x80", "--json")
    first, second = render(*arguments), render(*arguments)
    assert first.exit_code == 0
    assert json.loads(first.stdout) == json.loads(second.stdout)


def test_render_to_an_unwritable_folder_names_it(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kitchen").write_text("a file where a folder has to be")
    result = render(photos / "red.jpg", "--out", tmp_path / "out", "--device", "kitchen=120x80")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert "kitchen" in result.stderr


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("kitchen", "should be NAME=WxH"),
        ("kitchen=wide", "is not a size"),
        ("a/b=10x10", "without slash"),
        ("..=10x10", "is not a device name"),
        ("thumbnails=10x10", "reserved for an output folder"),
    ],
)
def test_render_with_an_invalid_device_exits_with_2(photos: Path, tmp_path: Path, device: str, sentence: str) -> None:
    result = render(photos, "--out", tmp_path / "out", "--device", device)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()


def test_render_with_a_device_given_twice_exits_with_2(photos: Path, tmp_path: Path) -> None:
    result = render(photos, "--out", tmp_path / "out", "--device", "k=10x10", "--device", "k=20x20")
    assert result.exit_code == 2
    assert "is given twice" in result.stderr


def test_output_names_are_unique_without_case() -> None:
    files = [Path(name) for name in ("a/x.jpg", "b/X.png", "c/x-2.jpg", "d/x.gif", "e/y.jpg")]
    names = output_names(files)
    assert len({name.casefold() for name in names}) == len(files)
    assert (names[0], names[4]) == ("x", "y")
    assert output_names(files) == names


def test_render_names_of_255_bytes(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    ascii_names = ["a" * 250 + ending + ".jpg" for ending in "xy"]
    names = [*ascii_names, "é" * 125 + "z.jpg", "写" * 83 + "ab.jpg"]
    assert [len(name.encode()) for name in names] == [255] * 4
    for name in names:
        (folder / name).write_bytes(photo((200, 30, 30)))
    result = render(folder, "--out", out, "--device", "kitchen=120x80")
    assert result.exit_code == 0, result.output
    assert "rendered 4 of 4 photos" in result.stdout
    written = sorted(path.stem for path in (out / "kitchen").iterdir())
    assert written == sorted(["a" * 240, "a" * 240 + "-2", "é" * 120, "写" * 80])


def test_render_names_a_photo_whose_name_cannot_be_written(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    original = Path.replace

    def replace(source: Path, target: Path) -> Path:
        if target.name == "red.jpg":
            raise OSError(errno.EINVAL, "Invalid argument", str(target))
        return original(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    result = render(photos, "--out", tmp_path / "out", "--device", "kitchen=120x80")
    assert result.exit_code == 0, result.output
    assert "rendered 1 of 3 photos" in result.stdout
    assert "red.jpg: its results cannot be written" in result.stderr


def test_render_for_a_panel_writes_its_container_and_palette(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (photos / "red.jpg", "--out", out, "--device", "hall=40x30", "--panel", "spectra6")
    assert render(*arguments, "--palette", "measured").exit_code == 0
    with Image.open(out / "hall" / "red.png") as image:
        assert (image.format, image.size, image.mode) == ("PNG", (40, 30), "P")
        assert image.getpalette()[3:6] == [179, 182, 171]
    assert render(*arguments, "--container", "packed").exit_code == 0
    assert (out / "hall" / "red.bin").stat().st_size == 20 * 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--panel", "colour9"), "'colour9' is unknown"),
        (("--container", "png"), "need --panel"),
        (("--panel", "custom", "--ink", "#000000"), "needs 2 to 16 inks"),
        (("--panel", "custom", "--container", "packed", "--ink", "#000000", "--ink", "#FFFFFF"), "unknown"),
    ],
)
def test_render_rejects_panels_that_do_not_exist(photos: Path, arguments: tuple[str, ...], message: str) -> None:
    result = render(photos, "--out", photos.parent / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
