"""The end of a backend: within the grace period of a platform, and by itself once another backend is active."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from contract import object_names
from contract.machine import free_port
from emulators.cloud_storage.server import GcsServer
from tests.backend.durability.test_snapshots import in_snapshot, until
from tests.support import server
from tests.support.instances import BUCKET, PASSWORD, Instance
from tests.support.server import problem
from tests.support.small_photos import photo

pytestmark = pytest.mark.server

FLEETING = {"DATABASE_DURABLE": "no", "SNAPSHOT_DELAY_SECONDS": "1000", "TICK_SECONDS": "0.2"}
STOP_SECONDS = 9.0
RECOVERY_SECONDS = 60.0


def send_half_an_upload(backend: server.BackendServer) -> socket.socket:
    """Send the head and half of the body of an upload, and leave the connection open."""
    parts = urlsplit(backend.url)
    request = backend.admin.build_request("POST", "/api/admin/upload", files={"file": ("slow.jpg", photo(77))})
    body = request.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    connection.sendall(f"POST /api/admin/upload HTTP/1.1\r\n{head}\r\n".encode() + body[: len(body) // 2])
    return connection


def send_half_a_login(backend: server.BackendServer) -> socket.socket:
    """Send half of a login, which needs no credentials, and leave the connection open."""
    parts = urlsplit(backend.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    connection.sendall(
        f"POST /login HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        'Content-Length: 1000\r\n\r\n{"password": "'.encode()
    )
    return connection


@pytest.mark.parametrize("send_half", [send_half_an_upload, send_half_a_login])
def test_half_sent_request_costs_neither_the_last_snapshot_nor_the_time(
    data_folder: Path, send_half: Callable[[server.BackendServer], socket.socket]
) -> None:
    backend = server.start(data_folder, **FLEETING)
    until(lambda: "accepting changes with fencing token" in backend.log_text())
    snapshot = backend.bucket / object_names.SNAPSHOT
    with send_half(backend) as connection:
        time.sleep(0.5)
        image = backend.upload(photo(1))["id"]  # in no snapshot: the delay is long
        assert in_snapshot(snapshot, "SELECT id FROM images") == set()
        began = time.monotonic()
        backend.process.send_signal(signal.SIGTERM)
        assert backend.process.wait(30) == 0
        took = time.monotonic() - began
        if send_half is send_half_an_upload:
            assert b" 503 " in connection.recv(1000).partition(b"\r\n")[0]
    assert took < STOP_SECONDS
    assert in_snapshot(snapshot, "SELECT id FROM images") == {image}
    assert "Traceback" not in backend.log_text() or send_half is send_half_a_login
    backend.stop()


class Platform:
    """Keeps one backend running at a fixed address over an emulated bucket, as Cloud Run does while requests arrive."""

    def __init__(self, folder: Path, gcs: GcsServer) -> None:
        self._folder = folder
        self._gcs = gcs
        self._port = free_port()
        self._ending = threading.Event()
        self.instances = [self.start(self._port)]
        self._thread = threading.Thread(target=self._keep_running)

    def start(self, port: int) -> Instance:
        """Start an instance with a new disk."""
        return Instance(self._folder / f"instance-{port}-{time.monotonic_ns()}", port, self._gcs.url)

    def _keep_running(self) -> None:
        while not self._ending.wait(0.1):
            if self.instances[-1].process.poll() is not None:
                self.instances.append(self.start(self._port))

    def __enter__(self) -> Platform:
        self.instances[0].wait_until_writing()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.instances[-1].stop()


class Uploader:
    """Uploads photos one after the other, each until it is acknowledged, and logs in again where necessary."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: dict[str, float] = {}
        """Time of each acknowledgement by image id."""
        self.rejected = 0

    def __enter__(self) -> Uploader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as client:
            while not self._ending.is_set():
                with contextlib.suppress(httpx.TransportError):
                    files = {"file": (f"{number}.jpg", photo(number))}
                    answer = client.post("/api/admin/upload", files=files)
                    if answer.status_code in (200, 201):
                        self.acknowledged[answer.json()["id"]] = time.monotonic()
                        number += 1
                        continue
                    if answer.status_code == 401:
                        client.post("/login", json={"password": PASSWORD})
                        continue
                    assert answer.status_code == 503, answer.text
                    self.rejected += 1
                time.sleep(0.1)


def test_second_backend_that_is_killed_does_not_silence_the_first(tmp_path: Path) -> None:
    with GcsServer(BUCKET) as gcs, Platform(tmp_path, gcs) as platform:
        first = platform.instances[0]
        with first.client() as client, Uploader(first.url) as uploader:
            until(lambda: len(uploader.acknowledged) > 5)
            assert client.get("/_live").json()["status"] == "live"
            second = platform.start(free_port())
            second.wait_until_writing()
            second.kill()
            killed = time.monotonic()
            until(lambda: uploader.rejected > 0)
            for path in ("/_ready", "/_live"):
                assert "another backend instance is active" in problem(client.get(path), 503)
            assert client.get("/_health").status_code == 200
            until(lambda: max(uploader.acknowledged.values()) > killed)
            recovered = max(uploader.acknowledged.values())
            until(lambda: len(uploader.acknowledged) > 20)
        assert first.process.returncode == 3
        assert recovered - killed < RECOVERY_SECONDS
        with closing(platform.instances[-1].log_in()) as admin:
            for image_id in uploader.acknowledged:
                assert admin.get(f"/api/images/{image_id}").status_code == 200
