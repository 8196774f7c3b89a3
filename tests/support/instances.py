"""Backends over one emulated bucket, started as Cloud Run starts them: each with a new disk, and by a fixed address."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.support.server import CALL_SECONDS, ROOT, START_SECONDS, STOP_SECONDS, environment

TOKEN = "a-processor-token-for-the-tests-0001"
PASSWORD = "a-password-for-the-tests"
BUCKET = "photos"


class Instance:
    """A backend process. Unless the settings say otherwise, its database does not outlive it."""

    def __init__(
        self, folder: Path, port: int, gcs_url: str, *, command_prefix: Sequence[str] = (), **settings: str
    ) -> None:
        """Start the process with its disk at `folder`. It is not ready yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        self.url = f"http://127.0.0.1:{port}"
        variables = {
            "GCS_BUCKET_NAME": BUCKET,
            "STORAGE_EMULATOR_HOST": gcs_url,
            "DATABASE_DURABLE": "no",
            "PROCESSOR_AUTH_TOKEN": TOKEN,
            "ADMIN_PASSWORD": PASSWORD,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "TICK_SECONDS": "0",
            "BATCH_SIZE": "100000",
            "FLUSH_DELAY_SECONDS": "100000",
            **settings,
        }
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [*command_prefix, sys.executable, "-m", "backend"],
                cwd=ROOT,
                env=environment(folder, variables),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )

    @property
    def database(self) -> Path:
        return self.folder / "slideshow.db"

    def log_text(self) -> str:
        return self.log.read_text()

    def wait_until_writing(self, seconds: float = START_SECONDS) -> None:
        """Wait until the backend accepts changes. Raises AssertionError with its log."""
        deadline = time.monotonic() + seconds
        while "accepting changes with fencing token" not in self.log_text():
            assert self.process.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.05)

    def wait_until_ready(self) -> None:
        """Wait until the backend answers reads. Raises AssertionError with its log."""
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/_ready").status_code == 200:
                        return
                assert self.process.poll() is None, self.log_text()
                assert time.monotonic() < deadline, self.log_text()
                time.sleep(0.05)

    def client(self) -> httpx.Client:
        """Return a client without credentials."""
        return httpx.Client(base_url=self.url, timeout=CALL_SECONDS, trust_env=False)

    def log_in(self) -> httpx.Client:
        """Return a client with an administrator session."""
        client = self.client()
        client.post("/login", json={"password": PASSWORD}).raise_for_status()
        return client

    def kill(self) -> None:
        """Kill the process, and remove its disk."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> int:
        """End the process with SIGTERM, and return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the backend did not exit:\n{self.log_text()}") from None
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
