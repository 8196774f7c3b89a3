"""`slideshow import-model`: a legacy database with its bucket, and the imported result."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contract.messages.processing import orientation_of
from contract.recipes import recipe
from slideshow.__main__ import main
from slideshow.import_legacy.reader import colours, moment
from tests.support.small_photos import jpeg, photo

MODEL_TABLES = """
CREATE TABLE devices (id TEXT PRIMARY KEY, name TEXT, width INTEGER, height INTEGER, orientation TEXT);
CREATE TABLE images (
  id TEXT PRIMARY KEY, file_path TEXT, file_hash TEXT, width INTEGER, height INTEGER, orientation TEXT,
  processing_status TEXT, processing_error TEXT, ingested_at TEXT);
CREATE TABLE processed_images (
  id INTEGER PRIMARY KEY, image_id TEXT, device_size TEXT, width INTEGER, height INTEGER, file_path TEXT,
  color_primary TEXT, color_secondary TEXT, color_tertiary TEXT, color_source TEXT, color_palette TEXT,
  processed_at TEXT);
"""
PALETTE = ["#112233", "#445566", "#778899", "#AABBCC", "#112233", "#112233", "#112233", "#112233"]


class ModelSystem:
    """The data of the legacy system: its bucket and its database."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "bucket"
        self.file = folder / "model.db"
        with closing(sqlite3.connect(self.file)) as database:
            database.executescript(MODEL_TABLES)

    def execute(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute(statement, values)

    def put(self, name: str, data: bytes) -> str:
        path = self.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{self.bucket.as_uri()}/{name}"

    def device(self, name: str, width: int, height: int) -> None:
        self.execute("INSERT INTO devices VALUES (?,?,?,?,?)", name, name, width, height, orientation_of(width, height))

    def image(self, data: bytes, *, image_id: str | None = None, status: str = "complete") -> str:
        image_id = image_id or sha256(data).hexdigest()[:32]
        path = self.put(f"images/originals/{image_id}.jpg", data)
        self.execute(
            "INSERT INTO images VALUES (?,?,?,?,?,?,?,?,?)",
            *(image_id, path, sha256(data).hexdigest(), 64, 48, "landscape", status, None, "2025-06-01 10:00:00"),
        )
        return image_id

    def picture(self, image_id: str, device: str, width: int, height: int, *, there: bool = True) -> None:
        name = f"processed/{device}/{image_id}.jpg"
        path = self.put(name, jpeg(width, height)) if there else f"{self.bucket.as_uri()}/{name}"
        self.execute(
            "INSERT INTO processed_images (image_id, device_size, width, height, file_path, color_primary,"
            " color_secondary, color_tertiary, color_source, color_palette, processed_at)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            *(image_id, device, width, height, path, "#112233", "#445566", "#778899", "#112233"),
            *(json.dumps(PALETTE), "2025-06-01T10:05:00.000Z"),
        )

    def everything(self) -> dict[str, bytes]:
        """Return the objects of the legacy system in the bucket."""
        return {
            str(path.relative_to(self.bucket)): path.read_bytes()
            for path in sorted(self.bucket.rglob("*"))
            if path.is_file()
            and path.relative_to(self.bucket).parts[0] in ("images", "processed")
            and path.relative_to(self.bucket).parts[1] != "records"
        }


@pytest.fixture
def model(tmp_path: Path) -> ModelSystem:
    return ModelSystem(tmp_path)


def take_over(model: ModelSystem, data: Path, *more: str) -> Result:
    environ = {"BUCKET_URL": model.bucket.as_uri(), "DATABASE_URL": "", "GCS_BUCKET_NAME": ""}
    return CliRunner().invoke(main, ["import-model", str(model.file), "--data", str(data), *more], env=environ)


def asked(data: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "slideshow.db")) as database:
        return database.execute(query).fetchall()


def test_import_model_imports_everything_once(model: ModelSystem, tmp_path: Path) -> None:
    model.device("kitchen", 80, 48)
    model.device("hall", 48, 80)
    whole, half = model.image(photo(1)), model.image(photo(2))
    turned = model.image(jpeg(64, 48, orientation=6))
    waiting = model.image(photo(3), status="processing")
    for image, device, size in ((whole, "kitchen", (80, 48)), (whole, "hall", (48, 80)), (half, "kitchen", (80, 48))):
        model.picture(image, device, *size)
    model.picture(half, "hall", 48, 80, there=False)
    model.picture(turned, "kitchen", 80, 48)
    model.picture(whole, "a screen that went", 10, 10)
    before = model.everything()
    data = tmp_path / "data"

    tried = take_over(model, data, "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "would import 2 devices and 4 photos with 3 variants; 0 already known" in tried.output
    assert not (model.bucket / "images/records").exists()
    done = take_over(model, data)
    assert done.exit_code == 0, done.output
    assert "imported 2 devices and 4 photos with 3 variants; 0 already known, 0 left out" in done.output
    assert model.everything() == before  # the model system can go on with it

    states = dict(asked(data, "SELECT id, processing_status FROM images"))
    assert states == {whole: "complete", half: "pending", turned: "pending", waiting: "pending"}
    assert asked(data, f"SELECT width, height, ingested_at FROM images WHERE id='{turned}'") == [(48, 64, 1748772000.0)]
    assert sorted(asked(data, "SELECT image_id, device_size, recipe, color_primary FROM processed_images")) == sorted(
        [
            (whole, "kitchen", "legacy", "#112233"),
            (whole, "hall", "legacy", "#112233"),
            (half, "kitchen", "legacy", "#112233"),
        ]
    )
    assert asked(data, "SELECT id, key, recipe FROM devices WHERE id='hall'") == [("hall", "hall", recipe(48, 80))]

    again = take_over(model, data)
    assert again.exit_code == 0, again.output
    assert "imported 0 devices and 0 photos with 0 variants; 6 already known" in again.output
    later = model.image(photo(4))
    third = take_over(model, data)
    assert "imported 0 devices and 1 photo with 0 variants; 6 already known" in third.output
    assert asked(data, f"SELECT processing_status FROM images WHERE id='{later}'") == [("pending",)]


def test_import_model_copies_originals_with_other_ids(model: ModelSystem, tmp_path: Path) -> None:
    model.device("kitchen", 80, 48)
    data = photo(1)
    old = model.image(data, image_id=str(uuid.UUID(int=7)))
    model.picture(old, "kitchen", 80, 48)
    done = take_over(model, tmp_path / "data")
    assert done.exit_code == 0, done.output
    assert "1 original copied" in done.output
    new = sha256(data).hexdigest()[:32]
    ((path,),) = asked(tmp_path / "data", f"SELECT file_path FROM images WHERE id='{new}'")
    assert Path(str(path).removeprefix("file://")).read_bytes() == data
    assert (model.bucket / f"images/originals/{old}.jpg").read_bytes() == data
    assert asked(tmp_path / "data", "SELECT processing_status FROM images") == [("complete",)]
    assert "1 already known" not in done.output
    assert "2 already known" in take_over(model, tmp_path / "data").output


def test_import_model_with_bad_rows_imports_the_rest(model: ModelSystem, tmp_path: Path) -> None:
    model.device("kitchen", 80, 48)
    model.execute("INSERT INTO devices VALUES ('flat','flat',0,48,'landscape')")
    good = model.image(photo(1))
    model.image(b"no photo at all")
    lost = model.image(photo(2))
    (model.bucket / f"images/originals/{lost}.jpg").unlink()
    model.execute("UPDATE images SET file_path='gs://somebody-elses/x.jpg' WHERE id=?", model.image(photo(3)))
    done = take_over(model, tmp_path / "data")
    assert done.exit_code == 1
    assert "1 device and 1 photo" in done.output
    assert "4 left out" in done.output
    assert done.output.count("left out: ") == 4
    assert f"photo '{lost}': its original" in done.output
    assert "device 'flat'" in done.output
    assert asked(tmp_path / "data", "SELECT id FROM images") == [(good,)]


def test_import_model_of_another_database_fails(model: ModelSystem, tmp_path: Path) -> None:
    model.execute("ALTER TABLE images DROP COLUMN file_hash")
    refused = take_over(model, tmp_path / "data")
    assert refused.exit_code == 1
    assert "the table images has no column file_hash" in refused.output
    model.file.write_bytes(b"no database")
    assert "cannot be read as a SQLite database" in take_over(model, tmp_path / "data").output


def test_moment_and_colours_accept_every_form() -> None:
    for text in ("2025-06-01 10:00:00", "2025-06-01T10:00:00Z", "2025-06-01T12:00:00+02:00", 1748772000, 1748772000000):
        assert moment(text) == 1748772000.0
    for nothing in (None, "", "yesterday", -1, float("nan"), b"x"):
        assert moment(nothing) is None
    assert colours('["#aabbcc", {"hex": "#112233"}]') == ["#AABBCC", "#112233"]
    for nothing in (None, "", "{}", "red", 7, "[" * 100_000):
        assert colours(nothing) == []
