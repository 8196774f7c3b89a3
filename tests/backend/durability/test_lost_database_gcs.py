"""A lost, older or new database beside a bucket in the emulated Cloud Storage, and what the doctor reports then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract import object_names
from contract.machine import free_port
from emulators.cloud_storage.server import GcsServer
from slideshow.commands.doctor import examine
from tests.support.instances import BUCKET, PASSWORD, TOKEN, Instance
from tests.support.small_photos import photo

pytestmark = pytest.mark.server

FRAMES = ("kitchen", "hall", "bath")


@pytest.fixture
def gcs() -> Iterator[GcsServer]:
    with GcsServer(BUCKET) as server:
        yield server


class Durable:
    """A backend with a durable database in a folder, over the emulated bucket."""

    def __init__(self, folder: Path, gcs: GcsServer, database: str = "slideshow.db") -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / database}"
        self.gcs = gcs
        self.instance = Instance(folder, free_port(), gcs.url, DATABASE_DURABLE="yes", DATABASE_URL=self.url)
        self.instance.wait_until_ready()
        self.admin = self.instance.log_in()

    def __enter__(self) -> Durable:
        return self

    def __exit__(self, *_: object) -> None:
        self.admin.close()
        assert self.instance.stop() == 0

    def add_device(self, name: str) -> str:
        body = {"name": name, "width": 80, "height": 48, "pairing": False}
        response = self.admin.post("/api/devices", json=body)
        response.raise_for_status()
        return str(response.json()["token"])

    def upload(self, number: int) -> str:
        response = self.admin.post("/api/admin/upload", files={"file": (f"{number}.jpg", photo(number))})
        response.raise_for_status()
        return str(response.json()["id"])

    def photos(self) -> set[str]:
        return {image["id"] for image in self.admin.get("/api/images").json()["images"]}

    def accepts(self, name: str, token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.instance.url, headers=headers, trust_env=False) as client:
            return client.get(f"/api/devices/{name}/slideshow").status_code == 200

    def tick(self) -> None:
        self.admin.post("/internal/tick", headers={"Authorization": f"Bearer {TOKEN}"}).raise_for_status()

    def devices_record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.gcs.store.get(BUCKET, object_names.DEVICES, {}).data)
        return record

    def doctor(self, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
        """Return level and sentence of the doctor's finding about the records."""
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", self.gcs.url)
        environ = {
            "GCS_BUCKET_NAME": BUCKET,
            "DATABASE_URL": self.url,
            "PROCESSOR_AUTH_TOKEN": TOKEN,
            "ADMIN_PASSWORD": PASSWORD,
            "BACKEND_API_URL": self.instance.url,
        }
        (finding,) = [finding for finding in examine(environ) if finding.subject == "records"]
        return finding.level, finding.sentence


def remove_database(folder: Path) -> None:
    for file in folder.glob("slideshow.db*"):
        file.unlink()


@pytest.mark.parametrize("database", ["slideshow.db", "another.db"])
def test_lost_or_new_database_is_filled_before_the_first_request(
    tmp_path: Path, gcs: GcsServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Durable(tmp_path / "data", gcs) as backend:
        tokens = {name: backend.add_device(name) for name in FRAMES}
        photos = {backend.upload(number) for number in range(3)}
        deleted = backend.upload(3)
        backend.admin.delete(f"/api/images/{deleted}").raise_for_status()
        backend.tick()
        record = backend.devices_record()
        assert backend.doctor(monkeypatch)[0] == "ok"
    if database == "slideshow.db":
        remove_database(tmp_path / "data")
    with Durable(tmp_path / "data", gcs, database) as backend:
        assert backend.photos() == photos
        assert all(backend.accepts(name, token) for name, token in tokens.items())
        backend.tick()
        assert backend.devices_record() == record
        level, sentence = backend.doctor(monkeypatch)
        assert level == "odd"
        assert "imported 4 photos and the devices" in sentence  # the tombstone of the deleted one is a record, too


def test_older_backup_never_lowers_a_revision_and_the_doctor_reports_it(
    tmp_path: Path, gcs: GcsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with Durable(data, gcs) as backend:
        tokens = {"kitchen": backend.add_device("kitchen")}
        photos = {backend.upload(0)}
    backup = shutil.copy2(data / "slideshow.db", tmp_path / "backup.db")
    with Durable(data, gcs) as backend:
        tokens |= {name: backend.add_device(name) for name in ("hall", "bath")}
        photos |= {backend.upload(1), backend.upload(2)}
        backend.tick()
        revision = backend.devices_record()["revision"]
    remove_database(data)
    shutil.copy2(backup, data / "slideshow.db")
    level, sentence = backend.doctor(monkeypatch)  # before the start
    assert level == "wrong"
    assert f"bucket has revision {revision}" in sentence
    with Durable(data, gcs) as backend:
        assert backend.photos() == photos
        assert all(backend.accepts(name, token) for name, token in tokens.items())
        backend.add_device("attic")
        assert backend.devices_record()["revision"] == revision + 1
        assert {device["name"] for device in backend.devices_record()["devices"]} == {*FRAMES, "attic"}
        level, sentence = backend.doctor(monkeypatch)
        assert level == "odd"
        assert "imported 2 photos and the devices" in sentence


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"another file" * 100, "not a database")])
def test_doctor_reports_a_file_that_is_no_database(
    tmp_path: Path, gcs: GcsServer, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    with Durable(tmp_path / "data", gcs) as backend:
        backend.add_device("kitchen")
    remove_database(tmp_path / "data")
    (tmp_path / "data/slideshow.db").write_bytes(content)
    level, sentence = backend.doctor(monkeypatch)
    assert level == "wrong"
    assert reason in sentence
