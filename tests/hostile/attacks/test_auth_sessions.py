"""Stolen sessions: *log out everywhere* ends them, also after a restart, and secrets must be long."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.settings import SettingsError, read_settings
from slideshow.__main__ import main
from slideshow.commands.doctor import invalid_setting
from tests.support import server
from tests.support.server import problem

LONG = {
    "GCS_BUCKET_NAME": "photos",
    "PROCESSOR_AUTH_TOKEN": "t" * 32,
    "ADMIN_PASSWORD": "p" * 12,
    "METRICS_TOKEN": "m" * 32,
}
SHORT = {"PROCESSOR_AUTH_TOKEN": "t" * 31, "ADMIN_PASSWORD": "p" * 11, "METRICS_TOKEN": "m" * 31}


@pytest.mark.server
def test_log_out_everywhere_ends_every_session(backend: server.BackendServer) -> None:
    first, second, third = (backend.log_in() for _ in range(3))
    page = first.get("/activity", headers={"Accept": "text/html"})
    assert 'action="/logout/everywhere"' in page.text
    problem(backend.anonymous.post("/logout/everywhere"), 401)
    problem(first.post("/logout/everywhere", headers={"Origin": "https://evil.example"}), 403)
    problem(backend.processor.post("/logout/everywhere"), 401)
    assert second.get("/api/devices").status_code == 200
    with third.stream("GET", "/activity/events") as stream:
        assert stream.status_code == 200
        ended = first.post("/logout/everywhere")
        assert ended.json()["ended"] >= 3
        began = time.monotonic()
        for _ in stream.iter_bytes():
            assert time.monotonic() - began < 20
    for client in (second, third):
        problem(client.get("/api/devices"), 401)
    problem(first.get("/api/devices"), 401)
    assert "logged out everywhere: ended" in backend.log_text()
    browser = backend.log_in().post("/logout/everywhere", headers={"Accept": "text/html"})
    assert (browser.status_code, browser.headers["location"]) == (303, "/login")
    assert backend.log_in().get("/api/devices").status_code == 200


@pytest.mark.server
def test_log_out_everywhere_command(backend: server.BackendServer) -> None:
    stolen = backend.log_in()
    options = ["--data", str(backend.data)]
    result = CliRunner().invoke(main, ["logout-everywhere", *options])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("ended ")
    problem(stolen.get("/api/devices"), 401)
    result = CliRunner().invoke(main, ["logout-everywhere", "--json", *options])
    assert json.loads(result.output) == {"ended": 1}


@pytest.mark.server
def test_log_out_everywhere_outlives_a_crash_of_a_database_that_is_not_durable(data_folder: Path) -> None:
    settings = {"DATABASE_DURABLE": "no", "SNAPSHOT_DELAY_SECONDS": "0.01"}
    with server.running(data_folder, **settings) as backend:
        stolen = str(backend.log_in().cookies["session_id"])
        deadline = time.monotonic() + 30
        while (data_folder / "bucket/state/snapshot.db.gz").stat().st_size == 0 or time.monotonic() < deadline - 29:
            backend.processor.post("/internal/tick")  # takes a snapshot that contains the session
            time.sleep(0.1)
        backend.log_in().post("/logout/everywhere").raise_for_status()
        backend.process.kill()
        backend.process.wait(20)
    with server.running(data_folder, **settings) as backend:
        problem(backend.client(Cookie=f"session_id={stolen}").get("/api/devices"), 401)


def problems(environ: dict[str, str]) -> list[str]:
    try:
        read_settings(environ)
    except SettingsError as error:
        return error.problems
    return []


def test_short_secrets_are_rejected_outside_of_embedded_mode() -> None:
    assert problems(LONG) == []
    found = problems({**LONG, **SHORT})
    assert sorted(sentence.partition(":")[0] for sentence in found) == sorted(SHORT)
    assert all("too short" in sentence and "openssl rand -hex" in sentence for sentence in found)
    assert not any(secret in sentence for secret in SHORT.values() for sentence in found)
    assert problems({**LONG, "PROCESSOR_AUTH_TOKEN_PREVIOUS": "old"}) == []
    assert problems(SHORT) == []  # embedded
    hashed = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"
    assert problems({**LONG, "ADMIN_PASSWORD": hashed}) == []


def test_doctor_reports_short_secrets_before_an_upgrade() -> None:
    nothing = dict.fromkeys(("BUCKET_URL", "DATABASE_URL", "GCP_PROJECT_ID", "BACKEND_API_URL", "METRICS_TOKEN"), "")
    result = CliRunner().invoke(main, ["doctor"], env={**nothing, **LONG, **SHORT, "K_SERVICE": "x"})
    assert result.exit_code == 1
    assert "gcloud secrets versions add slideshow-processor-token" in result.output
    assert "gcloud secrets versions add slideshow-admin-password" in result.output
    assert result.output.splitlines()[-1].startswith("3 checks: 3 wrong")
    finding = invalid_setting(problems({**LONG, **SHORT})[0], {})
    assert finding.lines()[-1].endswith("export PROCESSOR_AUTH_TOKEN=...")


@pytest.mark.server
def test_doctor_reports_short_secrets_in_embedded_mode_as_odd(data_folder: Path) -> None:
    with server.running(data_folder, ADMIN_PASSWORD="short"):
        nothing = dict.fromkeys(("BUCKET_URL", "DATABASE_URL", "GCP_PROJECT_ID", "GCS_BUCKET_NAME"), "")
        environ = {**nothing, "ADMIN_PASSWORD": "short", "SLIDESHOW_DATA": str(data_folder)}
        result = CliRunner().invoke(main, ["doctor"], env=environ)
    assert result.exit_code == 0, result.output
    assert "ADMIN_PASSWORD: too short, it has 5 characters" in result.output
    assert result.output.splitlines()[-1].endswith("0 wrong, 1 odd")
