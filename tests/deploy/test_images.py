"""The images in operation: a real task and a real backend in containers, with an emulated bucket.

`make images` builds them. SLIDESHOW_IMAGES enables these tests and names the tool that runs the images (buildah).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]

from contract.machine import free_port  # noqa: E402
from emulators.cloud_storage.server import GcsServer  # noqa: E402
from tests.support.small_photos import photo  # noqa: E402

TOOL = os.environ.get("SLIDESHOW_IMAGES", "")
BASE = os.environ.get("SLIDESHOW_BASE", "docker.io/library/python:3.11-slim-bookworm")
LIMIT_MB = {"slideshow-processor": 420, "slideshow-backend": 220}
FIRST_CLAIM_SECONDS = 1.5
STARTS = 4
TOKEN, PASSWORD = "token-of-the-image-tests-of-32-letters", "password-of-the-image-tests"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(TOOL != "buildah", reason="SLIDESHOW_IMAGES=buildah runs this, after make images"),
]


def buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


class Container:
    """A container of one of our images, with its files mounted."""

    def __init__(self, image: str) -> None:
        self.name = buildah("from", "--pull-never", image)
        self.files = Path(buildah("mount", self.name))
        config = json.loads(buildah("inspect", self.name))["OCIv1"]["config"]
        self.entry: list[str] = config.get("Entrypoint", [])
        self.user: str = config.get("User", "")

    def start(self, log: Path, environ: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
        """Start the entry point, or a command, with this environment; its output is written to `log`."""
        options = [part for name, value in environ.items() for part in ("--env", f"{name}={value}")]
        run = ["buildah", "run", "--isolation", "chroot", "--network", "host", *options, self.name, "--"]
        with log.open("wb") as output:
            return subprocess.Popen([*run, *(command or self.entry)], stdout=output, stderr=subprocess.STDOUT)

    def process(self, module: str) -> int:
        """Return the id, on this machine, of the Python process that runs in this container."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    inside = os.readlink(folder / "root") == str(self.files) or self.files.samefile(folder / "root")
                    if inside and words[0].endswith(b"python") and words[-3:] == [b"-m", module.encode(), b""]:
                        return int(folder.name)
            time.sleep(0.05)
        raise AssertionError(f"{module} does not run in {self.name}")

    def size(self) -> int:
        return int(subprocess.check_output(["du", "-sb", "--one-file-system", str(self.files)], text=True).split()[0])

    def remove(self) -> None:
        buildah("umount", self.name)
        buildah("rm", self.name)


@contextlib.contextmanager
def container(image: str) -> Iterator[Container]:
    started = Container(image)
    try:
        yield started
    finally:
        started.remove()


@contextlib.contextmanager
def backend_of(backend: Container, folder: Path, bucket: GcsServer, **changes: str) -> Iterator[httpx.Client]:
    """Run the image's backend within a block; yield a client that is logged in as admin."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "GCS_BUCKET_NAME": "photos",
        "STORAGE_EMULATOR_HOST": bucket.url,
        "PROCESSOR_AUTH_TOKEN": TOKEN,
        "ADMIN_PASSWORD": PASSWORD,
        "BACKEND_API_URL": url,
        **changes,
    }
    log = folder / "backend.log"
    process = backend.start(log, environ)
    try:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            wait_for(lambda: ready(client), 40, log)
            client.post("/login", json={"password": PASSWORD}).raise_for_status()
            yield client
        os.kill(backend.process("backend"), signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
        assert "stopped" in log.read_text()
    finally:
        if process.poll() is None:
            with contextlib.suppress(AssertionError):
                os.kill(backend.process("backend"), signal.SIGKILL)
            process.wait(20)


def ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/_ready").status_code == 200
    return False


def wait_for(done: Any, seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def upload_five(client: httpx.Client, round_number: int = 0) -> list[str]:
    """Upload five photos that no other round uploads. Return their ids."""
    client.post("/api/devices", json={"name": "kitchen", "width": 160, "height": 96}).raise_for_status()
    responses = [
        client.post("/api/admin/upload", files={"file": (f"{number}.jpg", photo(5 * round_number + number))})
        for number in range(5)
    ]
    return [response.raise_for_status().json()["id"] for response in responses]


@pytest.mark.parametrize("image", LIMIT_MB)
def test_image_is_small_and_unprivileged(image: str, record_property: Any) -> None:
    with container(f"localhost/{image}") as program, container(BASE) as base:
        added = (program.size() - base.size()) / 1e6
        print(f"{image} adds {added:.1f} MB to its base")  # noqa: T201
        assert added < LIMIT_MB[image]
        assert program.user.split(":")[0] not in ("", "0", "root")
        assert "runs as user" in (program.files / "app/CHECKED").read_text()
        assert not {path.name for path in (program.files / "app").iterdir()} & {"tests", "bench", "docs", ".git"}


def test_task_and_backend_images_process_photos(tmp_path: Path) -> None:
    with (
        GcsServer("photos") as bucket,
        container("localhost/slideshow-backend") as backend,
        container("localhost/slideshow-processor") as processor,
        backend_of(backend, tmp_path, bucket, TICK_SECONDS="0") as client,
    ):
        environ = {
            "GCS_BUCKET_NAME": "photos",
            "STORAGE_EMULATOR_HOST": bucket.url,
            "BACKEND_API_URL": str(client.base_url),
            "BACKEND_AUTH_TOKEN": TOKEN,
            "NUMBA_DEBUG_CACHE": "1",
        }
        waits = []
        for number in range(STARTS):  # the fastest start counts; the others depend on the load of this machine
            uploaded = upload_five(client, number)
            log = tmp_path / f"task-{number}.log"
            began, text = one_task(processor, log, {**environ, "CLOUD_RUN_EXECUTION": f"of-the-image-{number}"})
            assert "[cache] data loaded" in text
            assert "saved" not in text  # nothing was compiled
            rows = rows_of(backend.files / "data/slideshow.db")
            assert {rows[image][0] for image in uploaded} == {"complete"}
            waits.append(min(rows[image][1] for image in uploaded) - began)
            if waits[-1] < FIRST_CLAIM_SECONDS:
                break
        print("first claimed after", ", ".join(f"{wait:.2f} s" for wait in waits))  # noqa: T201
        assert min(waits) < FIRST_CLAIM_SECONDS
        names = [entry["name"] for entry in bucket.store.page("photos", {"prefix": "processed/kitchen/"})["items"]]
        assert len(names) == 5 * len(waits)


def one_task(processor: Container, log: Path, environ: dict[str, str]) -> tuple[float, str]:
    """Run a task to its end. Return its start time, by the machine's clock, and its output."""
    begin = "import os, sys, time; print('began', time.time(), flush=True); os.execvp('python', sys.argv[1:])"
    task = processor.start(log, environ, "python", "-c", begin, *processor.entry)
    assert task.wait(60) == 0, log.read_text()
    text = log.read_text()
    return float(next(line for line in text.splitlines() if line.startswith("began")).split()[1]), text


def rows_of(file: Path) -> dict[str, tuple[str, float]]:
    """Return state and claim time of each photo."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        query = "SELECT id, processing_status, claimed_at FROM images"
        return {image: (state, claimed) for image, state, claimed in database.execute(query)}


def test_image_with_workers_renders_by_itself(tmp_path: Path) -> None:
    with (
        GcsServer("photos") as bucket,
        container("localhost/slideshow-backend-with-workers") as backend,
        backend_of(
            backend, tmp_path, bucket, TICK_SECONDS="0.2", BATCH_SIZE="5", LOCAL_TASKS="1", BACKEND_API_URL=""
        ) as client,
    ):
        uploaded = upload_five(client)

        def done() -> bool:
            counts = client.get("/api/admin/status").json()["images"]
            return bool(counts.get("complete", 0) == len(uploaded))

        wait_for(done, 60, tmp_path / "backend.log")


def test_task_image_stops_on_sigterm(tmp_path: Path) -> None:
    """SIGTERM reaches the program itself, which releases its images and ends normally."""
    with GcsServer("photos") as bucket, container("localhost/slideshow-processor") as processor:
        log = tmp_path / "task.log"
        with socket.socket() as silent:  # a backend that accepts connections and never responds
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            environ = {
                "GCS_BUCKET_NAME": "photos",
                "STORAGE_EMULATOR_HOST": bucket.url,
                "BACKEND_API_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "BACKEND_AUTH_TOKEN": TOKEN,
            }
            task = processor.start(log, environ)
            pid = processor.process("processor")
            wait_for(lambda: "Task 0 of 1" in log.read_text(), 20, log)
            time.sleep(1.0)
            stopped = time.monotonic()
            os.kill(pid, signal.SIGTERM)
            code = task.wait(20)
            assert time.monotonic() - stopped < 10, log.read_text()
            assert code in (0, 1), log.read_text()


def test_image_tool_is_installed() -> None:
    assert shutil.which(TOOL)
