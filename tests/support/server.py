"""Run a backend for tests: `python -m backend` in a separate process, on a free port of 127.0.0.1.

Tests use HTTP, or read and change the SQLite file and the bucket folder as an operator can.
This module imports nothing from the backend.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from tests.support.small_photos import PALETTE, jpeg, percent, photo

START_SECONDS = 60.0
STOP_SECONDS = 30.0
CALL_SECONDS = 30.0
ROOT = Path(__file__).resolve().parents[2]

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_LIBRARY_PATH", "COVERAGE", "NUMBA", "PYTHON")
"""Prefixes of the variables that a backend inherits; settings of the machine that runs the tests must not reach it."""

QUIET = {
    "TICK_SECONDS": "0",
    "BATCH_SIZE": "100000",
    "FLUSH_DELAY_SECONDS": "100000",
    "SYNC_INTERVAL_SECONDS": "100000",
}
"""Settings without background work: no timer fires, and no upload fills a batch."""


def environment(data: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return the environment of a backend whose data folder is `data`."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
    return {**inherited, "SLIDESHOW_DATA": str(data), **settings}


@dataclass
class BackendServer:
    """A running backend. Its clients are closed with it."""

    process: subprocess.Popen[bytes]
    data: Path
    log: Path
    url: str
    secrets: dict[str, Any]
    shared_bucket: Path | None = None
    _open: list[httpx.Client] = field(default_factory=list)

    @property
    def bucket(self) -> Path:
        return self.shared_bucket or self.data / "bucket"

    @property
    def database(self) -> Path:
        return self.data / "slideshow.db"

    def client(self, **headers: str) -> httpx.Client:
        """Return a client with these headers and no other credentials."""
        client = httpx.Client(base_url=self.url, headers=headers, timeout=CALL_SECONDS, trust_env=False)
        self._open.append(client)
        return client

    @functools.cached_property
    def anonymous(self) -> httpx.Client:
        return self.client()

    @functools.cached_property
    def processor(self) -> httpx.Client:
        return self.client(Authorization=f"Bearer {self.secrets['processor_token']}")

    @functools.cached_property
    def admin(self) -> httpx.Client:
        return self.log_in()

    def log_in(self) -> httpx.Client:
        """Return a client with a new administrator session."""
        client = self.client()
        client.post("/login", json={"password": self.secrets["admin_password"]}).raise_for_status()
        return client

    def close_clients(self) -> None:
        """Close all clients; the next test gets new ones, and logs in again."""
        while self._open:
            self._open.pop().close()
        for name in ("anonymous", "processor", "admin"):
            self.__dict__.pop(name, None)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as an operator does with sqlite3, commit, and return its rows."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def clear(self) -> None:
        """Empty the bucket and the tables that tests fill, so that tests of one server are independent."""
        for folder in ("images", "processed"):
            shutil.rmtree(self.bucket / folder, ignore_errors=True)
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            for table in (
                "processed_images",
                "images",
                "devices",
                "local_tasks",
                "executions",
                "garbage",
                "tombstones",
                "queue_entries",
                "queue_positions",
            ):
                connection.execute(f"DELETE FROM {table}")

    def objects(self, prefix: str = "") -> set[str]:
        """Return the names of all objects in the bucket that begin with `prefix`."""
        files = (path for path in self.bucket.rglob("*") if path.is_file())
        names = (path.relative_to(self.bucket).as_posix() for path in files)
        return {name for name in names if name.startswith(prefix) and not name.startswith(".incoming/")}

    def incomplete_objects(self) -> list[Path]:
        """Return incompletely written objects; none may remain after a request."""
        return list((self.bucket / ".incoming").iterdir())

    def log_text(self) -> str:
        return self.log.read_text("utf-8")

    def upload(self, data: bytes, filename: str = "photo.jpg") -> dict[str, Any]:
        """Upload one photo, which must be accepted; return the response."""
        response = self.admin.post("/api/admin/upload", files={"file": (filename, data)})
        assert response.status_code in (200, 201), response.text
        body: dict[str, Any] = response.json()
        return body

    def upload_photos(self, number: int, first: int = 0) -> list[str]:
        """Upload `number` photos, numbered from `first`; return their ids in this order."""
        return [self.upload(photo(first + index), f"photo-{first + index}.jpg")["id"] for index in range(number)]

    def add_device(self, name: str, width: int = 80, height: int = 48, **more: object) -> dict[str, Any]:
        """Create or change a device; return the response."""
        response = self.admin.post(
            "/api/devices", json={"name": name, "width": width, "height": height, "pairing": False, **more}
        )
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def claim(self, owner: str, limit: int = 50, **more: object) -> list[dict[str, Any]]:
        """Claim images for this owner; return them."""
        response = self.processor.post("/api/processing/claims", json={"owner": owner, "limit": limit, **more})
        assert response.status_code == 200, response.text
        images: list[dict[str, Any]] = response.json()["images"]
        return images

    def state(self, image_id: str) -> str:
        return str(self.sql("SELECT processing_status FROM images WHERE id = ?", image_id)[0][0])

    def store(self, name: str, data: bytes) -> str:
        """Write an object to the bucket as a task does; return its URI."""
        path = self.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{self.bucket.as_uri()}/{name}"

    def render(self, claimed: dict[str, Any], *, without: Sequence[str] = ()) -> dict[str, Any]:
        """Write the variants of a claimed image; return the message that reports them. `without` leaves devices out."""
        sizes = {device["key"]: device for device in self.admin.get("/api/devices").json()["devices"]}
        rows = []
        for item in claimed["work"]:
            key = item["device"]
            if key in without:
                continue
            width, height = sizes[key]["width"], sizes[key]["height"]
            name = f"processed/{percent(key)}/{claimed['id']}-{item['recipe']}.jpg"
            rows.append(
                {
                    "imageId": claimed["id"],
                    "deviceSize": key,
                    "width": width,
                    "height": height,
                    "filePath": self.store(name, jpeg(width, height)),
                    "colorPalette": PALETTE,
                    "lease": claimed["lease"],
                    "recipe": item["recipe"],
                }
            )
        outcome = {"imageId": claimed["id"], "lease": claimed["lease"], "colorPalette": PALETTE}
        return {"images": rows, "outcomes": [outcome]}

    def finish(self, claimed: Iterable[dict[str, Any]]) -> None:
        """Render and report these images; the backend must accept every row."""
        for image in claimed:
            message = self.render(image)
            response = self.processor.post("/api/processed-images", json=message)
            assert response.status_code == 200, response.text
            assert response.json() == {"inserted": len(message["images"])}

    def stop(self) -> int:
        """Stop the backend with SIGTERM, as a platform does; return its exit code."""
        self.close_clients()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise AssertionError(f"the backend did not exit within {STOP_SECONDS} s:\n{self.log_text()}") from None


def start(data: Path, **settings: str) -> BackendServer:
    """Start a backend on `data` and wait until it answers. Raises AssertionError with its log otherwise."""
    data.mkdir(parents=True, exist_ok=True)
    log = data.with_name(f"{data.name}.log")
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend"],
            cwd=ROOT,
            env=environment(data, {**QUIET, **settings}),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        url = _wait(process, data, log)
    except BaseException:
        process.kill()
        process.wait(STOP_SECONDS)
        raise
    secrets = json.loads((data / "secrets.json").read_bytes()) if (data / "secrets.json").exists() else {}
    for name in ("admin_password", "processor_auth_token"):
        secrets[name] = settings.get(name.upper(), secrets.get(name))
    shared = Path(unquote(urlsplit(settings["BUCKET_URL"]).path)) if "BUCKET_URL" in settings else None
    return BackendServer(process, data, log, url, secrets, shared)


def _wait(process: subprocess.Popen[bytes], data: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the backend exited with code {process.returncode}:\n{log.read_text()}")
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, httpx.TransportError):
            state = json.loads((data / "backend.json").read_text())
            if state["pid"] == process.pid:  # a killed backend may have left the file
                httpx.get(f"{state['url']}/_health", timeout=CALL_SECONDS, trust_env=False).raise_for_status()
                return str(state["url"])
        time.sleep(0.02)
    raise AssertionError(f"the backend did not answer within {START_SECONDS} s:\n{log.read_text()}")


@contextlib.contextmanager
def running(data: Path, **settings: str) -> Iterator[BackendServer]:
    """Run a backend for the time of a block."""
    server = start(data, **settings)
    try:
        yield server
    finally:
        server.stop()


def run_to_end(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a backend that exits by itself, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "backend"],
        cwd=ROOT,
        env=environment(data, settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def problem(response: httpx.Response, status: int) -> str:
    """Check that a response is a problem document with this status; return its sentence."""
    assert response.status_code == status, f"{response.request.method} {response.request.url}: {response.text}"
    assert response.headers["content-type"].split(";")[0] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"]
    assert body["title"]
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert body["error"] == body["detail"]
    return str(body["detail"])
