"""A lost, empty or older database beside a bucket with records: the records outrank it from the start on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from contract import object_names
from tests.support import server
from tests.support.library_state import fill, seen

pytestmark = pytest.mark.server

FRAMES = ("kitchen", "hall", "bath")


def devices_record(backend: server.BackendServer) -> dict[str, object]:
    record: dict[str, object] = json.loads((backend.bucket / object_names.DEVICES).read_bytes())
    return record


def remove_database(data: Path) -> None:
    for file in data.glob("slideshow.db*"):
        file.unlink()


def test_lost_database_is_filled_from_the_bucket_before_the_first_request(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        token = backend.add_device("kitchen")["token"]
        deleted = fill(backend)
        address = backend.admin.get("/api/devices/kitchen/next").json()["url"]
        before, record = seen(backend), devices_record(backend)
    remove_database(data_folder)
    with server.running(data_folder) as backend:
        assert seen(backend) == before
        frame = backend.client(Authorization=f"Bearer {token}")
        assert frame.get("/api/devices/kitchen/next").status_code == 200
        assert frame.get(address).status_code == 200  # signed before
        assert devices_record(backend) == record
        assert backend.admin.get(f"/api/images/{deleted}").status_code == 404
        assert "newer records than this database" in backend.log_text()


def test_lost_database_of_devices_without_photos_keeps_their_tokens(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        tokens = {name: backend.add_device(name)["token"] for name in FRAMES}
        record = devices_record(backend)
    remove_database(data_folder)
    with server.running(data_folder) as backend:
        for name, token in tokens.items():
            frame = backend.client(Authorization=f"Bearer {token}")
            assert frame.get(f"/api/devices/{name}/slideshow").status_code == 200
        backend.processor.post("/internal/tick").raise_for_status()
        assert devices_record(backend) == record


def test_older_database_never_lowers_a_revision(data_folder: Path, tmp_path: Path) -> None:
    with server.running(data_folder) as backend:
        first = backend.add_device("kitchen")["token"]
        (photo,) = backend.upload_photos(1)
    backup = shutil.copy2(data_folder / "slideshow.db", tmp_path / "backup.db")
    with server.running(data_folder) as backend:
        tokens = {"kitchen": first, **{name: backend.add_device(name)["token"] for name in ("hall", "bath")}}
        backend.upload_photos(2, first=1)
        backend.admin.delete(f"/api/images/{photo}").raise_for_status()
        backend.processor.post("/internal/tick").raise_for_status()
        revision = devices_record(backend)["revision"]
    remove_database(data_folder)
    shutil.copy2(backup, data_folder / "slideshow.db")
    with server.running(data_folder) as backend:
        listed = backend.admin.get("/api/images").json()["images"]
        assert len(listed) == 2
        assert photo not in {image["id"] for image in listed}
        for name, token in tokens.items():
            frame = backend.client(Authorization=f"Bearer {token}")
            assert frame.get(f"/api/devices/{name}/slideshow").status_code == 200
        backend.add_device("attic")
        record = devices_record(backend)
        assert isinstance(revision, int)
        assert record["revision"] == revision + 1
        devices = record["devices"]
        assert isinstance(devices, list)
        assert sorted(device["name"] for device in devices) == ["attic", "bath", "hall", "kitchen"]


def test_unreadable_record_of_the_devices_ends_the_start_naming_rebuild(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("kitchen")
        record = backend.bucket / object_names.DEVICES
    record.write_bytes(b"{")
    remove_database(data_folder)
    ended = server.run_to_end(data_folder)
    assert ended.returncode == 1
    assert "slideshow rebuild" in ended.stdout + ended.stderr
    assert record.read_bytes() == b"{"


def test_unreadable_record_of_the_devices_is_rewritten_from_a_complete_database(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        token = backend.add_device("kitchen")["token"]
        before = devices_record(backend)
        record = backend.bucket / object_names.DEVICES
    record.write_bytes(b"{")
    with server.running(data_folder) as backend:
        frame = backend.client(Authorization=f"Bearer {token}")
        assert frame.get("/api/devices/kitchen/slideshow").status_code == 200
        backend.processor.post("/internal/tick").raise_for_status()
        assert devices_record(backend) == before


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "is empty"), (b"a damaged database, or another file", "is not a SQLite database")]
)
def test_file_that_is_no_database_ends_the_start(data_folder: Path, content: bytes, sentence: str) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("kitchen")
        record = (backend.bucket / object_names.DEVICES).read_bytes()
        bucket = backend.bucket
    remove_database(data_folder)
    (data_folder / "slideshow.db").write_bytes(content)
    ended = server.run_to_end(data_folder)
    assert ended.returncode == 2
    assert sentence in ended.stdout + ended.stderr
    assert (bucket / object_names.DEVICES).read_bytes() == record


def test_database_of_another_program_ends_the_start(data_folder: Path) -> None:
    data_folder.mkdir()
    with sqlite3.connect(data_folder / "slideshow.db") as other:
        other.execute("CREATE TABLE images (name TEXT)")
    other.close()
    ended = server.run_to_end(data_folder)
    assert ended.returncode == 1
    assert "images" in ended.stdout + ended.stderr
