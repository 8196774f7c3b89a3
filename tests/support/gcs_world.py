"""Both programs on an emulated Google Cloud Storage: a backend process and task processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from contract.machine import free_port
from contract.messages.processing import Device
from emulators.cloud_storage.server import GcsServer

TOKEN, PASSWORD = "a-token-for-the-tests-of-32-letters", "a-password-for-the-tests"
BUCKET = "photos"
START_SECONDS = 60.0


class GcsWorld:
    """A backend process on an emulated bucket; `client` is an administrator's, `server` serves the bucket."""

    def __init__(self, server: GcsServer, client: httpx.Client, log: Path) -> None:
        self.server = server
        self.client = client
        self.log = log

    def add_device(self, device: Device) -> None:
        body = {"name": device.name, "width": device.width, "height": device.height, "pairing": False}
        self.client.post("/api/devices", json=body).raise_for_status()

    def upload(self, data: bytes, filename: str) -> str:
        """Upload one photo; return its id."""
        response = self.client.post("/api/admin/upload", files={"file": (filename, data)})
        response.raise_for_status()
        return str(response.json()["id"])

    def tick(self) -> dict[str, object]:
        """Call the periodic run; return its response."""
        response = self.client.post("/internal/tick", headers={"Authorization": f"Bearer {TOKEN}"})
        response.raise_for_status()
        body: dict[str, object] = response.json()
        return body

    def run_tasks(self, count: int, **environ: str) -> list[str]:
        """Run an execution of `count` tasks; return their logs. Raises AssertionError unless all exit with 0."""
        tasks = [
            subprocess.Popen(
                [sys.executable, "-m", "processor"],
                env={
                    **os.environ,
                    "BUCKET_URL": f"gs://{BUCKET}",
                    "STORAGE_EMULATOR_HOST": self.server.url,
                    "BACKEND_API_URL": str(self.client.base_url),
                    "BACKEND_AUTH_TOKEN": TOKEN,
                    "CLOUD_RUN_EXECUTION": "run-by-a-test",
                    "CLOUD_RUN_TASK_INDEX": str(index),
                    "CLOUD_RUN_TASK_COUNT": str(count),
                    "SLIDESHOW_LOCAL_TASK": "1",
                    "RENDER_THREADS": "1",
                    **environ,
                },
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(count)
        ]
        logs = []
        for task in tasks:
            try:
                logs.append(task.communicate(timeout=300)[1])
            finally:
                if task.poll() is None:
                    task.kill()
                    task.wait(timeout=10)
        assert [task.returncode for task in tasks] == [0] * count, "\n".join(logs)
        return logs

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Return the objects of the bucket whose names begin with `prefix`, by name."""
        stored = self.server.store.bucket(BUCKET).objects
        return {name: stored[name].data for name in sorted(stored) if name.startswith(prefix)}


@contextlib.contextmanager
def gcs_world(folder: Path) -> Iterator[GcsWorld]:
    """Run a new backend on an empty emulated bucket for the time of a block."""
    port = free_port()
    log = folder / "backend.log"
    with GcsServer(BUCKET) as server, log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend"],
            env={
                **os.environ,
                "GCS_BUCKET_NAME": BUCKET,
                "STORAGE_EMULATOR_HOST": server.url,
                "DATABASE_URL": f"sqlite:///{folder / 'slideshow.db'}",
                "PROCESSOR_AUTH_TOKEN": TOKEN,
                "ADMIN_PASSWORD": PASSWORD,
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "TICK_SECONDS": "0",
                "BATCH_SIZE": "100000",
                "FLUSH_DELAY_SECONDS": "100000",
            },
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                _wait(process, client, log)
                client.post("/login", json={"password": PASSWORD}).raise_for_status()
                yield GcsWorld(server, client, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/_ready").status_code == 200:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
