"""A real backend for tests: `python -m backend` in a process of its own, on a free port of 127.0.0.1.

Everything a test asks goes over HTTP, or into the SQLite file and the bucket folder as a person's
hand would. Nothing of the backend is imported here.
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

# All that a backend under test inherits: settings of the machine that runs the tests must not reach it.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_LIBRARY_PATH", "COVERAGE", "NUMBA", "PYTHON")

# Nothing happens by itself: no timer, and no batch that an upload could fill.
QUIET = {
    "TICK_SECONDS": "0",
    "BATCH_SIZE": "100000",
    "FLUSH_DELAY_SECONDS": "100000",
    "SYNC_INTERVAL_SECONDS": "100000",
}


def environment(data: Path, settings: dict[str, str]) -> dict[str, str]:
    """The environment of a backend whose data folder is `data`."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
    return {**inherited, "SLIDESHOW_DATA": str(data), **settings}


@dataclass
class BackendServer:
    """A running backend. Clients that it handed out are closed with it."""

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
        """A client without credentials, but with these headers."""
        made = httpx.Client(base_url=self.url, headers=headers, timeout=CALL_SECONDS, trust_env=False)
        self._open.append(made)
        return made

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
        """A client with a session of its own."""
        made = self.client()
        made.post("/login", json={"password": self.secrets["admin_password"]}).raise_for_status()
        return made

    def hang_up(self) -> None:
        """Close every client that was handed out; the next test gets new ones, and logs in anew."""
        while self._open:
            self._open.pop().close()
        for name in ("anonymous", "processor", "admin"):
            self.__dict__.pop(name, None)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as a person would with sqlite3, committed at once; the rows it gives."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def forget_all(self) -> None:
        """Empty the bucket and the tables that tests fill, so that tests of one server do not meet."""
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
                "bags",
            ):
                connection.execute(f"DELETE FROM {table}")

    def objects(self, prefix: str = "") -> set[str]:
        """The names of all objects in the bucket that begin with `prefix`."""
        files = (path for path in self.bucket.rglob("*") if path.is_file())
        names = (path.relative_to(self.bucket).as_posix() for path in files)
        return {name for name in names if name.startswith(prefix) and not name.startswith(".incoming/")}

    def left_aside(self) -> list[Path]:
        """Half-written objects; none may stay after a request."""
        return list((self.bucket / ".incoming").iterdir())

    def log_text(self) -> str:
        return self.log.read_text("utf-8")

    def upload(self, data: bytes, filename: str = "photo.jpg") -> dict[str, Any]:
        """Upload one photo that must be taken; the answer."""
        answer = self.admin.post("/api/admin/upload", files={"file": (filename, data)})
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def upload_photos(self, number: int, first: int = 0) -> list[str]:
        """Upload photos number `first` and following; their ids in this order."""
        return [self.upload(photo(first + index), f"photo-{first + index}.jpg")["id"] for index in range(number)]

    def add_device(self, name: str, width: int = 80, height: int = 48, **more: object) -> dict[str, Any]:
        answer = self.admin.post(
            "/api/devices", json={"name": name, "width": width, "height": height, "pairing": False, **more}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def claim(self, owner: str, limit: int = 50, **more: object) -> list[dict[str, Any]]:
        """The images that this owner gets now."""
        answer = self.processor.post("/api/processing/claims", json={"owner": owner, "limit": limit, **more})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["images"]
        return found

    def state(self, image_id: str) -> str:
        return str(self.sql("SELECT processing_status FROM images WHERE id = ?", image_id)[0][0])

    def store(self, name: str, data: bytes) -> str:
        """Put an object into the bucket as a task does; its URI."""
        path = self.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{self.bucket.as_uri()}/{name}"

    def render(self, claimed: dict[str, Any], *, without: Sequence[str] = ()) -> dict[str, Any]:
        """The message that reports a claimed image done, its objects written; `without` leaves devices out."""
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
        """Render and report these images; every row must be taken."""
        for image in claimed:
            message = self.render(image)
            answer = self.processor.post("/api/processed-images", json=message)
            assert answer.status_code == 200, answer.text
            assert answer.json() == {"inserted": len(message["images"])}

    def stop(self) -> int:
        """Ask it to end as a platform does, and wait; its exit code."""
        self.hang_up()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise AssertionError(f"the backend did not end within {STOP_SECONDS} s:\n{self.log_text()}") from None


def start(data: Path, **settings: str) -> BackendServer:
    """Start a backend on `data` and wait until it answers; AssertionError with its log if it does not."""
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
    secrets = json.loads((data / "secrets.json").read_bytes())
    shared = Path(unquote(urlsplit(settings["BUCKET_URL"]).path)) if "BUCKET_URL" in settings else None
    return BackendServer(process, data, log, url, secrets, shared)


def _wait(process: subprocess.Popen[bytes], data: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the backend ended with {process.returncode}:\n{log.read_text()}")
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, httpx.TransportError):
            told = json.loads((data / "backend.json").read_text())
            if told["pid"] == process.pid:  # an earlier one, killed, may have left the file
                httpx.get(f"{told['url']}/_health", timeout=CALL_SECONDS, trust_env=False).raise_for_status()
                return str(told["url"])
        time.sleep(0.02)
    raise AssertionError(f"the backend did not answer within {START_SECONDS} s:\n{log.read_text()}")


@contextlib.contextmanager
def running(data: Path, **settings: str) -> Iterator[BackendServer]:
    """A backend for the time of a block."""
    server = start(data, **settings)
    try:
        yield server
    finally:
        server.stop()


def run_to_end(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a backend that is expected to end by itself."""
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


def problem(answer: httpx.Response, status: int) -> str:
    """Check that this is a refusal of this status in the shape that all have; its sentence."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["type"]
    assert told["title"]
    assert isinstance(told["detail"], str)
    assert told["detail"]
    assert told["error"] == told["detail"]
    return str(told["detail"])
