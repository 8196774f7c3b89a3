"""The commands that speak to a backend, against a real one on a data folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from contract.messages.admin import Status
from slideshow.__main__ import main
from slideshow.client import uploads
from slideshow.client.http import Client
from slideshow.client.local_backend import BackendProcess, announcement, only_demo, stored_password
from slideshow.demo import run
from slideshow.errors import BackendEnded, CommandFailed
from tests.support import cli_pictures, raw_files, server
from tests.support.pictures import encoded

pytestmark = pytest.mark.server

# Nothing is rendered by itself here: what the commands say must not depend on how far the tasks are.
QUIET = {"BATCH_SIZE": "100000", "FLUSH_DELAY_SECONDS": "100000"}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendProcess]:
    data = tmp_path_factory.mktemp("remote") / "data"
    data.mkdir()
    running = BackendProcess(data, {**os.environ, **QUIET, "GCS_BUCKET_NAME": "somebody-elses", "PORT": "1"})
    try:
        yield running
    finally:
        assert running.stop() == 0


@pytest.fixture
def call(backend: BackendProcess) -> object:
    def invoke(*arguments: object, code: int = 0) -> Result:
        command = [str(argument) for argument in arguments]
        result = CliRunner().invoke(main, [*command, "--data", str(backend.data)])
        assert result.exit_code == code, result.output
        return result

    return invoke


def test_cost_uses_the_measured_work_rate(call: object, backend: BackendProcess) -> None:
    assert callable(call)
    assert "assumed, because no backend has measured at least 20 photos" in call("cost").stdout
    columns = "id, file_path, file_hash, width, height, orientation, processing_status, ingested_at, queued_at, shard"
    measured = "lease_owner, claimed_at, processed_at, render_seconds"
    with contextlib.closing(sqlite3.connect(backend.data / "slideshow.db", timeout=10)) as database, database:
        database.executemany(
            f"INSERT INTO images ({columns}, {measured}) "
            "VALUES (?, 'x', ?, 2000, 1000, 'landscape', 'complete', 0, 0, 0, 'measured/0', 0, ?, 9)",
            [(f"cost-{number}", f"cost-{number}", number * 0.2) for number in range(1, 31)],
        )
    try:
        shown = call("cost").stdout
        found = json.loads(call("cost", "--json", "--memory", "2").stdout)
    finally:
        with contextlib.closing(sqlite3.connect(backend.data / "slideshow.db", timeout=10)) as database, database:
            database.execute("DELETE FROM images WHERE id LIKE 'cost-%'")
    assert "takes 100.0 ms per megapixel (measured with the latest 30 photos), 0.20 s for a photo of 2.0 MP" in shown
    assert found["work_rate"] == {"secondsPerMegapixel": pytest.approx(0.1), "megapixelsPerPhoto": 2.0, "photos": 30}
    first = found["cases"][0]["forecast"]
    assert first["dollars"] == pytest.approx(60 * (2 * 0.000018 + 2 * 0.000002))


def test_devices_add_list_resize_and_remove(call: object) -> None:
    assert callable(call)
    assert "There are no frames yet" in call("devices", "list").stdout
    added = call("devices", "add", "kitchen", "640x400").stdout.splitlines()
    assert added[0].startswith("added kitchen")
    assert len(added[1]) > 20
    changed = call("devices", "add", "kitchen", "400x640")
    assert changed.stdout == "resized kitchen to 400x640\n"
    assert "cannot be shown again" in changed.stderr
    saved = json.loads(call("devices", "add", "Küche oben", "10x10", "--json").stdout)
    assert saved["success"]
    assert saved["token"]
    text = call("devices", "list").stdout
    assert "400x640  portrait" in text
    found = json.loads(call("devices", "list", "--json").stdout)["devices"]
    assert {device["name"] for device in found} == {"kitchen", "Küche oben"}
    call("devices", "remove", "Küche oben")
    call("devices", "remove", "kitchen")
    assert "there is no frame 'kitchen'" in call("devices", "remove", "kitchen", code=1).stderr


def test_upload_counts_new_duplicate_and_rejected_files(call: object, tmp_path: Path) -> None:
    assert callable(call)
    photos = cli_pictures.four_files(tmp_path / "photos")
    (photos / "notes.txt").write_text("no picture")
    first = call("upload", photos)
    assert first.stdout == "2 new, 1 duplicate, 1 rejected\n"
    assert "broken.jpg: this is a JPEG file with a damaged header" in first.stderr
    assert "skipped 1 file: not an image" in first.stderr
    rows = json.loads(call("upload", photos, "--json").stdout)["results"]
    assert [row.get("duplicate") for row in rows] == [True, True, True, None]
    assert "error" in rows[3]
    assert len({row["id"] for row in rows[:3]}) == 2
    only_bad = call("upload", photos / "broken.jpg", code=1)
    assert "no photo was accepted" in only_bad.stderr


def test_upload_of_a_large_raw_sends_its_embedded_jpeg(tmp_path: Path) -> None:
    jpeg = encoded(np.full((1280, 1920, 3), 120, np.uint8))
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, make, padding in (
        ("a.NEF", raw_files.nef, 2**20),
        ("b.CR3", lambda _: raw_files.cr3(jpeg, 6), 2**20),
        ("c.RAF", raw_files.raf, 0),
        ("d.DNG", lambda _: raw_files.dng(jpeg[:-2]), 2**21),
        ("e.arw", lambda _: raw_files.arw(encoded(np.zeros((9, 9, 3), np.uint8))), 2**20),
    ):
        (folder / name).write_bytes(make(jpeg) + bytes(padding))
    (folder / "f.jpg").write_bytes(jpeg + bytes(2**20))
    with server.running(tmp_path / "data", UPLOAD_LIMIT_MIB="1") as backend:
        password = tmp_path / "password"
        password.write_text(backend.secrets["admin_password"])
        arguments = ["upload", str(folder), "--url", backend.url, "--password-file", str(password)]
        result = CliRunner().invoke(main, arguments)
        rows = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)["results"]
        stored = backend.sql("SELECT filename, width, height, captured_at FROM images ORDER BY filename")
    assert result.exit_code == 0, result.output
    assert result.stdout == "4 new, 0 duplicates, 2 rejected\n"
    for name in ("a.NEF", "b.CR3", "d.DNG"):
        assert f"{name}: too large; its embedded JPEG was sent" in result.stderr
    assert "e.arw: this camera raw file (Sony ARW) is larger than the upload limit of 1 MiB" in result.stderr
    assert "f.jpg: larger than the upload limit of 1 MiB" in result.stderr
    assert [row.get("embeddedJpeg") for row in rows] == [True, True, None, True, None, None]
    sizes = {"a.jpg": (1920, 1280), "b.jpg": (1280, 1920), "c.RAF": (1920, 1280), "d.jpg": (1920, 1280)}
    assert stored == [(name, *size, 1646370367.0) for name, size in sizes.items()]


def test_status_and_retry_print_text_and_json(call: object, backend: BackendProcess) -> None:
    assert callable(call)
    text = call("status").stdout
    assert backend.url in text
    assert "pending" in text
    assert set(json.loads(call("status", "--json").stdout)["images"]) >= {"pending", "complete"}
    assert call("retry", "--stuck").stdout == "0 photos are back in the queue\n"
    assert json.loads(call("retry", "--failed", "--json").stdout) == {"retried": 0}


def test_status_by_url_with_a_password_file(backend: BackendProcess, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(stored_password(backend.data) + "\n")
    arguments = ["status", "--url", backend.url, "--password-file", str(password)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    password.write_text("wrong")
    wrong = CliRunner().invoke(main, arguments)
    assert wrong.exit_code == 1
    assert "the password is wrong" in wrong.stderr


def test_client_images_joins_all_pages(
    backend: BackendProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(10, 15)]
    for number, file in enumerate(files):
        file.write_bytes(cli_pictures.photo(number + 10, (64, 48)))
    monkeypatch.setattr("slideshow.client.http.PAGE", 2)
    with Client(backend.url) as client:
        client.log_in(stored_password(backend.data))
        sent = uploads.send_all(client, files, lambda *_: None)
        ids = {photo.image_id for photo in sent}
        listed = [image.id for image in client.images()]
        assert len(listed) == len(set(listed))
        assert ids <= set(listed)
        assert set(run.images_of(client, sent)) == ids
        assert run.images_of(client, []) == {}
        assert client.image(listed[0]).id == listed[0]


def test_wait_until_rendered_without_progress_fails(
    backend: BackendProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Photos wait, and flushing is kept from happening: the sentence names the log."""
    file = tmp_path / "x.jpg"
    file.write_bytes(cli_pictures.photo(77))
    monkeypatch.setattr(run, "FLUSH_AGAIN_SECONDS", 1e9)
    shown: list[Status] = []
    with Client(backend.url) as client:
        client.log_in(stored_password(backend.data))
        client.upload(file)
        with pytest.raises(CommandFailed, match=r"no progress for .* still to be rendered") as stalled:
            run.wait_until_rendered(client, backend, 0.0, shown.append, stall_seconds=0.6)
        assert "backend.log" in stalled.value.message
        monkeypatch.setattr(run, "TIME_LIMIT_SECONDS", 0.0)
        monkeypatch.setattr(run, "TIME_LIMIT_SECONDS_PER_IMAGE", 0.01)
        with pytest.raises(CommandFailed, match="not done after"):
            run.wait_until_rendered(client, backend, 0.0, shown.append)
    assert shown[-1].images["pending"] > 0


def test_only_demo_in_a_used_folder_fails(backend: BackendProcess, tmp_path: Path) -> None:
    announced = announcement(backend.data)
    assert announced is not None
    assert (announced.pid, announced.url) == (backend.pid, backend.url)
    with pytest.raises(CommandFailed, match=f"a backend already runs .*process {backend.pid}"), only_demo(backend.data):
        pass
    with (
        only_demo(tmp_path / "other"),
        pytest.raises(CommandFailed, match="another demo runs"),
        only_demo(tmp_path / "other"),
    ):
        pass
    with only_demo(tmp_path / "other"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandFailed, match="cannot be used as data folder"), only_demo(tmp_path / "file"):
        pass


def test_kept_password_of_unreadable_secrets_fails(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot be read"):
        stored_password(tmp_path)
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(CommandFailed, match="is damaged"):
        stored_password(tmp_path)


def test_backend_process_with_invalid_settings_raises_with_the_log(tmp_path: Path) -> None:
    with pytest.raises(BackendEnded, match="ended with exit code 2") as ended:
        BackendProcess(tmp_path, {**os.environ, "BATCH_SIZE": "many"})
    assert "BATCH_SIZE" in ended.value.message


def test_backend_process_renames_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slideshow.client.local_backend.LOG_LIMIT_BYTES", 10)
    (tmp_path / "backend.log").write_text("from an earlier time\n")
    with pytest.raises(BackendEnded) as ended:
        BackendProcess(tmp_path, {**os.environ, "BATCH_SIZE": "many"})
    assert "earlier time" not in ended.value.message
    assert (tmp_path / "backend.log.1").read_text() == "from an earlier time\n"
