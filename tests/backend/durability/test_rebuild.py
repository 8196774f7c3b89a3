"""`slideshow rebuild`: the complete database from the bucket alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from contract import object_names
from slideshow.__main__ import main
from tests.support import server
from tests.support.library_state import fill, seen
from tests.support.server import problem
from tests.support.small_photos import photo

pytestmark = pytest.mark.server


class Ran(NamedTuple):
    """The result of a command."""

    returncode: int
    stdout: str
    stderr: str


def slideshow(data: Path, *arguments: str, **settings: str) -> Ran:
    """Run a command of the command line over a data folder, in this process: its imports take a second."""
    wanted = server.environment(data, settings)
    environ = {name: wanted.get(name) for name in {*os.environ, *wanted}}
    ran = CliRunner(env=environ).invoke(main, [*arguments, "--data", str(data)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def test_rebuild_restores_everything_acknowledged(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        token = backend.add_device("kitchen")["token"]
        gone = fill(backend)
        before = seen(backend)
        refused = slideshow(data_folder, "rebuild", "--replace")
        assert refused.returncode == 1
        assert "stop it first" in refused.stderr
        address = backend.admin.get("/api/devices/kitchen/next").json()["url"]
    kept = {"hall": before["devices"]["devices"][1]["ready"]}
    assert kept == {"hall": 3}
    assert slideshow(data_folder, "rebuild").returncode == 1  # an existing database needs --replace
    (data_folder / "slideshow.db").write_bytes(b"a damaged database")
    ran = slideshow(data_folder, "rebuild", "--replace")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "restored 5 photos, 6 variants, 2 devices, 1 deleted photo\n"
    assert "renamed the previous database to" in ran.stderr
    with server.running(data_folder) as backend:
        assert seen(backend) == before
        frame = backend.client(Authorization=f"Bearer {token}")
        assert frame.get("/api/devices/kitchen/next").status_code == 200
        assert frame.get(address).status_code == 200  # signed before
        problem(backend.admin.get(f"/api/images/{gone}"), 404)
        backend.processor.post("/internal/tick").raise_for_status()
        assert not any(gone in name for name in backend.objects() if not name.startswith(object_names.RECORDS))


def test_rebuild_schedules_replaced_pictures_for_removal_again(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("kitchen")
        backend.upload_photos(1)
        backend.finish(backend.claim("x/0"))
        change = {"name": "kitchen", "width": 64, "height": 48}
        backend.admin.put("/api/devices/kitchen", json=change).raise_for_status()
        backend.finish(backend.claim("x/1"))
        assert len(list(backend.bucket.glob("processed/kitchen/*.jpg"))) == 2  # the former one has a day's grace
    assert slideshow(data_folder, "verify").stdout == "0 differences\n"
    ran = slideshow(data_folder, "rebuild", "--replace")
    assert ran.returncode == 0, ran.stderr
    checked = slideshow(data_folder, "verify")
    assert (checked.returncode, checked.stdout) == (0, "0 differences\n")


def test_rebuild_without_records_imports_originals_and_names_invalid_ones(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("kitchen")
        (image,) = backend.upload_photos(1)
        (gone,) = backend.upload_photos(1, first=1)
        (claimed,) = [work for work in backend.claim("x/0") if work["id"] == image]
        backend.finish([claimed])
        backend.admin.delete(f"/api/images/{gone}").raise_for_status()
        bucket = backend.bucket
    # A deletion died before the original went, a picture is lost, and a record was damaged by hand.
    backend.store(f"images/originals/{gone}.jpg", photo(1))
    (variant,) = bucket.glob("processed/kitchen/*.jpg")
    variant.unlink()
    damaged = [object_names.record(digit * 32) for digit in "023"]
    for name, content in zip(damaged, (b"{}", b'{"imageId": "\xff"}', b'{"more": ' + b"[" * 100_000), strict=True):
        backend.store(name, content)
    backend.store(f"images/originals/{'1' * 32}.jpg", b"no picture")
    (data_folder / "slideshow.db").unlink()
    ran = slideshow(data_folder, "rebuild")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "restored 1 photo, 0 variants, 1 device, 1 deleted photo"
    assert [line.rpartition(" ")[2] for line in lines[1:]] == [
        *damaged,
        f"images/originals/{'1' * 32}.jpg",
    ]
    (bucket / object_names.record(image)).unlink()
    ran = slideshow(data_folder, "rebuild", "--replace")
    assert "1 original had no record and will be rendered" in ran.stdout
    with server.running(data_folder) as backend:
        backend.processor.post("/internal/tick").raise_for_status()
        assert not (bucket / f"images/originals/{gone}.jpg").exists()
        assert [work["id"] for work in backend.claim("y/0")] == [image]


def test_rebuild_without_data_folder_fails(tmp_path: Path) -> None:
    ran = slideshow(tmp_path / "none", "rebuild")
    assert ran.returncode == 1
    assert "no data folder" in ran.stderr


def test_rebuild_record_of_another_photo_is_named_and_left_out(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        (image,) = backend.upload_photos(1)
        record = json.loads((backend.bucket / object_names.record(image)).read_bytes())
    damaged = object_names.record("0" * 32)  # read before the right one
    backend.store(damaged, json.dumps({**record, "imageId": "0" * 32}).encode())
    ran = slideshow(data_folder, "rebuild", "--replace")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("restored 1 photo, ")
    assert damaged in ran.stdout
