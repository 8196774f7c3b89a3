"""Attacks by single requests on logins, pages, pictures and health: each failed against an earlier version."""

from __future__ import annotations

import logging
import os
import signal
import stat
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from contract import logs
from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

HTML = {"Accept": "text/html"}


@pytest.mark.parametrize(
    "path", ["/devices/居間/frame", "/devices/é/frame", "/devices/%E5%B1%85%E9%96%93/frame?x=1&y=%20a", "/a/%25"]
)
def test_login_redirects_to_a_path_with_any_letters(backend: server.BackendServer, path: str) -> None:
    answer = backend.anonymous.post(
        "/login", data={"password": backend.secrets["admin_password"], "next": path}, headers=HTML
    )
    assert answer.status_code == 303
    assert "session_id" in answer.cookies
    location = answer.headers["location"]
    assert location.isascii()
    assert location == quote(path, safe="/%?&=")


def test_redirect_of_a_page_with_any_letters_leads_back_to_it(backend: server.BackendServer) -> None:
    backend.add_device("居間")
    asked = backend.anonymous.get("/devices/居間/frame", headers=HTML)
    assert asked.status_code == 303
    form = backend.anonymous.get(asked.headers["location"], headers=HTML)
    assert form.status_code == 200
    path = form.text.partition('name="next" value="')[2].partition('"')[0]
    answer = backend.anonymous.post(
        "/login", data={"password": backend.secrets["admin_password"], "next": path}, headers=HTML
    )
    assert answer.status_code == 303
    assert backend.anonymous.get(answer.headers["location"], headers=HTML).status_code == 200


def test_login_form_with_too_many_fields_is_422_without_a_traceback(backend: server.BackendServer) -> None:
    before = len(backend.log_text())
    body = "&".join(f"f{number}=x" for number in range(11))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert "10 fields" in problem(backend.anonymous.post("/login", content=body, headers=form), 422)
    assert "Traceback" not in backend.log_text()[before:]


def test_ready_does_not_reveal_the_bucket(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.bucket.rename(data_folder / "away")
        sentence = problem(backend.anonymous.get("/_ready"), 503)
        assert str(data_folder) not in sentence
        assert "bucket" in sentence
        assert f"{backend.bucket}" in backend.log_text()
        (data_folder / "away").rename(backend.bucket)
        assert backend.anonymous.get("/_ready").status_code == 200


def test_picture_without_a_signature_is_not_for_shared_caches(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    (entry,) = backend.admin.get("/api/devices/frame/slideshow").json()["queue"]
    unsigned = backend.admin.get(entry["url"].partition("?")[0])
    assert unsigned.status_code == 200
    assert unsigned.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert backend.anonymous.get(entry["url"]).headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("environ", [{}, {"CLOUD_RUN_JOB": "j", "SLIDESHOW_LOCAL_TASK": "1"}])
def test_log_line_cannot_be_forged(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logs.set_up(environ)
        forged = "boom\n12:00:00 error   FAKE \x1b[31m\x9b31m\r\u2028x"
        logging.getLogger("x").error("failed: %s", forged, extra={"fields": {"name": forged}})
        try:
            raise ValueError(forged)
        except ValueError:
            logging.getLogger("x").exception("it failed")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    shown = capsys.readouterr().err
    lines = shown.split("\n")
    assert not any(line.startswith("12:00:00") for line in lines)
    escaped = r"boom\n12:00:00 error   FAKE \x1b[31m\x9b31m\r\u2028x"
    assert lines[0].endswith(f"failed: {escaped} name={escaped}")
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for line in lines for letter in line)
    assert len(shown.splitlines()) == len(lines) - 1


def test_error_of_a_task_is_one_log_line(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    body = {"error": "boom\n12:00:00 error   FAKE LOG LINE \x1b[31m", "lease": claimed["lease"]}
    assert backend.processor.patch(f"/api/images/{image}/failed", json=body).status_code == 200
    assert not [line for line in backend.log_text().splitlines() if line.startswith("12:00:00 error   FAKE")]
    assert "\x1b" not in backend.log_text()


@pytest.mark.parametrize("place", ["secrets", "lock"])
def test_start_on_an_unwritable_folder_is_one_sentence(data_folder: Path, place: str) -> None:
    with server.running(data_folder):
        pass
    (data_folder / "backend.lock").unlink()
    (data_folder / "backend.lock").mkdir()  # opening it fails for root, too
    if place == "secrets":
        (data_folder / "secrets.json").unlink()
        (data_folder / "secrets.json").mkdir()
    ended = server.run_to_end(data_folder)
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    assert str(data_folder) in ended.stderr


def test_hangup_stops_in_order(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.process.send_signal(signal.SIGHUP)
        assert backend.process.wait(20) == 0
        assert "stopped" in backend.log_text()
    assert not (data_folder / "backend.json").exists()


def test_hangup_ignored_by_nohup_stays_ignored(data_folder: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # child processes inherit it
    try:
        with server.running(data_folder) as backend:
            backend.process.send_signal(signal.SIGHUP)
            assert backend.anonymous.get("/_health").status_code == 200
            assert backend.process.poll() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_demo_folder_and_log_are_private(tmp_path: Path) -> None:
    from slideshow.client.local_backend import BackendProcess, only_demo

    before = os.umask(0o022)
    try:
        data = tmp_path / "demo"
        with only_demo(data):
            backend = BackendProcess(data, os.environ)
            backend.stop()
    finally:
        os.umask(before)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "backend.log").stat().st_mode) == 0o600


def test_wrong_passwords_are_logged_with_address_and_count(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        for number in range(7):
            answer = backend.anonymous.post("/login", json={"password": f"guess-{number}"})
            assert answer.status_code == (403 if number < 5 else 429)
        lines = [line for line in backend.log_text().splitlines() if "wrong password from 127.0.0.1" in line]
        assert [int(line.partition(": ")[2].split()[0]) for line in lines] == [1, 2, 3, 4, 5]
        assert "guess" not in backend.log_text()
        time.sleep(1.1)  # the first wait ends
        backend.anonymous.post("/login", json={"password": "guess-7"})
        assert "127.0.0.1: 6 in a row, and 2 attempts rejected" in backend.log_text()


def test_picture_does_not_reveal_the_bucket(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("frame")
        backend.upload_photos(1)
        backend.finish(backend.claim("run/0"))
        (entry,) = backend.admin.get("/api/devices/frame/slideshow").json()["queue"]
        backend.bucket.rename(data_folder / "away")
        answer = backend.anonymous.get(entry["url"])
        (data_folder / "away").rename(backend.bucket)
        assert answer.status_code in (404, 503)
        assert str(data_folder) not in answer.text
