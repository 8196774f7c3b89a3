"""Failed starts, orderly stops, and the contents of the data folder."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path

import pytest

from tests.support import server, small_photos
from tests.support.server import problem

pytestmark = pytest.mark.server


def test_start_second_backend_on_the_same_data_fails(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        kept = (data_folder / "secrets.json").read_bytes()
        second = server.run_to_end(data_folder)
        assert second.returncode == 1
        assert str(data_folder) in second.stderr
        assert "another backend" in second.stderr
        assert json.loads((data_folder / "backend.json").read_text())["url"] == backend.url
        assert (data_folder / "secrets.json").read_bytes() == kept  # the stored port is still that of the first backend
        assert backend.anonymous.get("/_health").status_code == 200


def test_start_wrong_settings_are_all_reported(data_folder: Path) -> None:
    wrong = {
        "PORT": "99999",
        "BATCH_SIZE": "many",
        "DEVICE_AUTH": "maybe",
        "LEASE_SECONDS": "0",
        "BUCKET_URL": "s3://somewhere",
    }
    ended = server.run_to_end(data_folder, **wrong)
    assert ended.returncode == 2
    for name, value in wrong.items():
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith(f"{name}:")]
        assert value in line
    assert "Traceback" not in ended.stderr
    assert not (data_folder / "secrets.json").exists()


def test_start_missing_secrets_are_reported(data_folder: Path) -> None:
    ended = server.run_to_end(data_folder, GCS_BUCKET_NAME="a-bucket", ADMIN_PASSWORD=" \n")
    assert ended.returncode == 2
    assert "PROCESSOR_AUTH_TOKEN: missing" in ended.stderr
    assert "ADMIN_PASSWORD: missing" in ended.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"DATABASE_URL": "nonsense"},
        {"DATABASE_URL": "sqlite:////dev/null/x/slideshow.db"},
        {"DATABASE_URL": "postgresql+nodriver://user:hunter22-secret@127.0.0.1:1/x"},
        {"BUCKET_URL": "file:///dev/null/bucket"},
    ],
)
def test_start_unusable_database_is_reported_without_secrets(data_folder: Path, settings: dict[str, str]) -> None:
    ended = server.run_to_end(data_folder, **settings)
    assert ended.returncode in (1, 2)
    assert "cannot start" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter22" not in ended.stderr
    assert not (data_folder / "backend.json").exists()


def test_start_port_in_use_is_reported(data_folder: Path, backend: server.BackendServer) -> None:
    port = backend.url.rpartition(":")[2]
    ended = server.run_to_end(data_folder, PORT=port)
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_by_signal_is_orderly(data_folder: Path, number: signal.Signals) -> None:
    with server.running(data_folder) as backend:
        assert (data_folder / "backend.json").exists()
        backend.process.send_signal(number)
        assert backend.process.wait(20) == 0
    assert not (data_folder / "backend.json").exists()
    log = backend.log_text()
    assert "stopped" in log
    assert "Traceback" not in log


def test_secrets_are_generated_once_and_private(data_folder: Path) -> None:
    kept = []
    for _ in range(2):
        with server.running(data_folder) as backend:
            kept.append(backend.secrets)
            assert backend.processor.get("/api/processing/pending").status_code == 200
            assert backend.admin.get("/api/images").status_code == 200
        assert stat.S_IMODE((data_folder / "secrets.json").stat().st_mode) == 0o600
        log = backend.log_text()
        assert kept[0]["processor_token"] not in log
        assert kept[0]["admin_password"] not in log
    assert kept[0] == kept[1]  # including the port
    assert len(kept[0]["processor_token"]) >= 32
    assert sorted(path.name for path in data_folder.glob("secrets.json*")) == ["secrets.json"]


def test_data_folder_can_be_moved(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("frame")
        image_id = backend.upload_photos(1)[0]
        backend.finish(backend.claim("run/0"))
        url = backend.admin.get("/api/devices/frame/slideshow").json()["queue"][0]["url"]
    elsewhere = data_folder.rename(data_folder.with_name("moved data"))
    with server.running(elsewhere) as backend:
        body = backend.admin.get(f"/api/images/{image_id}").json()
        assert body["filePath"] == f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg"
        assert body["variants"][0]["filePath"].startswith(f"{backend.bucket.as_uri()}/processed/frame/")
        assert backend.anonymous.get(url).status_code == 200
        assert backend.upload(small_photos.photo(0))["duplicate"] is True


def test_start_damaged_secrets_are_reported(data_folder: Path) -> None:
    data_folder.mkdir()
    (data_folder / "secrets.json").write_text('{"processor_token": ')
    ended = server.run_to_end(data_folder)
    assert ended.returncode == 2
    assert str(data_folder / "secrets.json") in ended.stderr
    assert "Traceback" not in ended.stderr


def test_secrets_are_stripped_and_previous_token_is_accepted(data_folder: Path) -> None:
    given = {
        "PROCESSOR_AUTH_TOKEN": "the-new-token-of-the-tasks\n",
        "PROCESSOR_AUTH_TOKEN_PREVIOUS": " the-old-token-of-the-tasks ",
        "ADMIN_PASSWORD": "a password with spaces\n",
    }
    with server.running(data_folder, **given) as backend:
        for token in ("the-new-token-of-the-tasks", "the-old-token-of-the-tasks"):
            client = backend.client(Authorization=f"Bearer {token}")
            assert client.get("/api/processing/pending").status_code == 200
        problem(backend.processor.get("/api/processing/pending"), 403)  # the generated token is no longer valid
        password = {"password": "a password with spaces"}
        assert backend.client().post("/login", json=password).status_code == 200
        log = backend.log_text()
        assert not any(secret.strip() in log for secret in given.values())
