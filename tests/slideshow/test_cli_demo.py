"""`slideshow demo`: the real backend, real tasks, real files, as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slideshow.client.local_backend import announcement
from tests.support import cli_pictures

pytestmark = pytest.mark.server

SECONDS = 90
KEYS = {
    "images",
    "complete",
    "failed",
    "refused",
    "duplicates",
    "variants",
    "wall_s",
    "cpu_s",
    "peak_rss_mb",
    "data",
    "url",
}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "slideshow", "demo", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=SECONDS, check=False)


def figures(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def started(arguments: Sequence[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a demo in the background, and end it in any case."""
    with log.open("wb") as out:
        process = subprocess.Popen(command(*arguments), stdout=out, stderr=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return cli_pictures.four_files(tmp_path / "photos")


def test_demo_repeated_skips_known_files(photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = figures(photos, "--data", data)
    assert set(first) == KEYS
    assert (first["images"], first["complete"], first["duplicates"], first["variants"]) == (4, 2, 1, 10)
    assert first["failed"] == []
    assert [refused["file"] for refused in first["refused"]] == [str(photos / "broken.jpg")]
    assert "broken.jpg: this is a JPEG file with a damaged header" in first["refused"][0]["error"]
    assert first["data"] == str(data)
    assert first["url"].startswith("http://127.0.0.1:")
    assert first["cpu_s"] > 0
    assert first["wall_s"] > 0
    assert first["peak_rss_mb"] > 20
    with sqlite3.connect(data / "slideshow.db") as database:
        assert database.execute("SELECT processing_status FROM images").fetchall() == [("complete",)] * 2
        rows = database.execute("SELECT image_id, device_size FROM processed_images").fetchall()
    assert len(rows) == len(set(rows)) == 10
    assert len(list((data / "bucket/images/metadata/archive").rglob("*.json"))) == 2
    assert announcement(data) is None

    second = figures(photos, "--data", data)
    assert (second["complete"], second["duplicates"], second["variants"]) == (0, 3, 0)
    assert second["refused"] == first["refused"]

    shown = run(photos, "--data", data)
    assert shown.returncode == 0
    assert "broken.jpg" in shown.stdout
    assert "already uploaded before" in shown.stdout
    assert "nothing to render" in shown.stdout
    assert "4 photos: 1 rejected · 3 already uploaded (3 complete) · 0 variants" in shown.stdout
    assert "sent 4 of 4, 1 rejected" in shown.stderr


def test_demo_with_stay_keeps_the_backend_until_a_signal(photos: Path, tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    with started([photos / "a.jpg", "--data", data, "--stay"], log) as demo:
        until(lambda: "until Ctrl-C" in log.read_text() or demo.poll() is not None, "the demo stays")
        announced = announcement(data)
        assert announced is not None, log.read_text()
        password = json.loads((data / "secrets.json").read_text())["admin_password"]
        until(lambda: password in log.read_text(), "it says the password")
        assert announced.url in log.read_text()
        again = run(photos, "--data", data)
        assert again.returncode == 1
        assert "another demo runs in" in again.stderr
        demo.send_signal(signal.SIGINT)
        assert demo.wait(SECONDS) == 0
        assert not lives(announced.pid)
    assert "1 photo: 1 complete · 5 variants" in log.read_text()
    assert log.read_text().endswith("\nstopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_after_a_signal_continues_with_the_next_run(number: signal.Signals, photos: Path, tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    with started([photos, "--data", data], log) as demo:
        until(lambda: announcement(data) is not None, "the backend starts")
        announced = announcement(data)
        assert announced is not None
        demo.send_signal(number)
        assert demo.wait(SECONDS) == 128 + number, log.read_text()
        assert not lives(announced.pid)
    assert "stopped; finished work is saved" in log.read_text()
    after = figures(photos, "--data", data)
    assert after["complete"] + after["duplicates"] == 3
    assert after["failed"] == []
    with sqlite3.connect(data / "slideshow.db") as database:
        assert database.execute("SELECT processing_status FROM images").fetchall() == [("complete",)] * 2


def test_demo_with_a_killed_backend_reports_its_log(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(30):
        (photos / f"{number}.jpg").write_bytes(cli_pictures.photo(number, (2000, 1500)))
    data, log = tmp_path / "data", tmp_path / "log"
    with started([photos, "--data", data], log) as demo:
        until(lambda: "sent 30 of 30" in log.read_text(), "everything is uploaded")
        announced = announcement(data)
        assert announced is not None
        os.kill(announced.pid, signal.SIGKILL)
        assert demo.wait(SECONDS) == 1
    assert "the backend was ended by SIGKILL" in log.read_text()
    assert "listening on" in log.read_text()
    after = figures(photos, "--data", data)
    assert (after["duplicates"], after["failed"], after["refused"]) == (30, [], [])
    with sqlite3.connect(data / "slideshow.db") as database:
        assert set(database.execute("SELECT processing_status FROM images")) == {("complete",)}
        rows = database.execute("SELECT image_id, device_size FROM processed_images").fetchall()
    assert len(rows) == len(set(rows)) == 150


def test_demo_with_an_invalid_setting_reports_it(photos: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "TASK_RETRIES": "-3"}
    done = subprocess.run(
        command(photos, "--data", tmp_path / "data"),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    assert "the backend ended with exit code 2" in done.stderr
    assert "TASK_RETRIES" in done.stderr
    assert done.stdout == ""
