"""A real backend under measurement: started in a new data folder, filled over HTTP, observed until it is done.

Its states and figures are read from its SQLite file, so that observing costs the backend nothing. All functions raise
CommandFailed if the backend does not start, stalls or fails photos.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bench.system import processes
from bench.system.instruments import Instruments
from bench.system.network import Network
from contract.machine import free_port
from contract.messages.devices import DeviceBody
from contract.messages.processing import Device
from slideshow.client.http import Client
from slideshow.client.local_backend import BackendProcess, stored_password
from slideshow.client.uploads import UPLOAD_CONCURRENCY
from slideshow.errors import CommandFailed

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.1
STALL_SECONDS = 120.0
# Prefixes of the variables that a measured process inherits. Others could change the measurement.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_LIBRARY_PATH", "NUMBA", "PYTHON", "VIRTUAL_ENV")
HELD_BACK = {"BATCH_SIZE": "1000000", "FLUSH_DELAY_SECONDS": "1000000"}
"""Settings of a backend that starts tasks only when requested."""


class Sent(Struct, frozen=True, kw_only=True):
    """Uploads: start and end in seconds since the epoch, CPU seconds of the uploading threads, bytes sent."""

    began: float
    ended: float
    cpu_s: float
    size: int


class MeasuredBackend:
    """A backend with optional instruments. Use it as a context manager; `client` is logged in."""

    client: Client
    url: str

    def __init__(
        self, data: Path, *, settings: Mapping[str, str] | None = None, instruments: Instruments | None = None
    ) -> None:
        self.data = data
        self._settings = dict(settings or {})
        self._instruments = instruments
        self._endings = contextlib.ExitStack()
        self._process: BackendProcess

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._endings.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._endings.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @staticmethod
    def inherited() -> dict[str, str]:
        """Return the variables of this process that measured processes inherit."""
        return {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}

    def _start(self) -> None:
        self.data.mkdir(parents=True)
        settings, instruments, module = self._settings, self._instruments, "backend"
        proxy = ""
        if instruments is not None:
            settings, module = settings | instruments.environment(), "bench.system.serve"
            if instruments.network is not None:
                port = free_port()
                proxy = self._endings.enter_context(proxied(port, instruments.network))
                settings |= {"PORT": str(port), "BACKEND_API_URL": proxy}
        self._process = BackendProcess(self.data, self.inherited(), settings, module=module)
        self._endings.callback(self._process.stop)
        self.url = proxy or self._process.url
        self.client = self._endings.enter_context(Client(self.url))
        self.client.log_in(stored_password(self.data))

    def stop(self) -> None:
        """Stop the backend now, so that its instruments write their results."""
        self._endings.close()

    def add_devices(self, devices: Sequence[Device]) -> None:
        for device in devices:
            body = DeviceBody(name=device.name, width=device.width, height=device.height, pairing=False)
            self.client.save_device(body)

    def upload(self, photos: Sequence[Path], progress: Callable[[int], None] = lambda _: None) -> Sent:
        """Upload all photos, with the concurrency of the command line. Call `progress` with the number of photos."""
        cpu, done = 0.0, 0

        def send(path: Path) -> float:
            before = time.thread_time()
            self.client.upload(path)
            return time.thread_time() - before

        began = time.time()
        with ThreadPoolExecutor(UPLOAD_CONCURRENCY, "upload") as pool:
            for used in pool.map(send, photos):
                cpu, done = cpu + used, done + 1
                progress(done)
        return Sent(began=began, ended=time.time(), cpu_s=cpu, size=sum(path.stat().st_size for path in photos))

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.data / "slideshow.db", timeout=10)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def complete(self) -> int:
        """Return the number of complete images."""
        return int(self.sql("SELECT count(*) FROM images WHERE processing_status = 'complete'")[0][0])

    def wait_for_archive(self, seconds: float = 150.0) -> None:
        """Wait until the backend has archived all sidecars and is idle. Raises CommandFailed."""
        deadline = time.monotonic() + seconds
        while any((self.data / "bucket/images/metadata").glob("*.json")):
            if time.monotonic() > deadline:
                raise CommandFailed(f"the sidecars were not archived within {seconds:g} s; see {self._process.log}")
            time.sleep(0.1)

    def wait(self, photos: int, progress: Callable[[int], None] = lambda _: None) -> None:
        """Wait until `photos` images are complete and all executions have ended.

        Args:
            photos: The number of images.
            progress: Called with the number of complete images when it changes.

        Raises:
            CommandFailed: A photo failed, or nothing changed for two minutes.
        """
        changed_at, before = time.monotonic(), -1
        while True:
            self._process.check()
            states = dict(self.sql("SELECT processing_status, count(*) FROM images GROUP BY 1"))
            complete = states.get("complete", 0)
            if states.get("failed"):
                ((error,),) = self.sql("SELECT processing_error FROM images WHERE processing_status='failed' LIMIT 1")
                raise CommandFailed(f"{states['failed']} photos failed during the measurement; the first: {error}")
            running = self.sql("SELECT count(*) FROM executions WHERE finished_at IS NULL")[0][0]
            if complete >= photos and not running:
                return
            if complete != before:
                changed_at, before = time.monotonic(), complete
                progress(complete)
            if time.monotonic() - changed_at > STALL_SECONDS:
                raise CommandFailed(f"no progress for {STALL_SECONDS:.0f} s at {states}:\n{self._process.last_lines()}")
            time.sleep(POLL_SECONDS)

    def last_result(self) -> float:
        """Return the time of the last recorded result, in seconds since the epoch."""
        return float(self.sql("SELECT max(rendered_at) FROM images")[0][0])

    def tasks_used(self) -> tuple[float, float, int]:
        """Return (CPU seconds, peak memory of the largest in MB, number) of all tasks so far."""
        ((cpu, peak, tasks),) = self.sql("SELECT sum(cpu_seconds), max(peak_rss_mb), sum(tasks) FROM executions")
        return float(cpu or 0.0), float(peak or 0.0), int(tasks or 0)

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the backend's own process so far."""
        return processes.cpu_seconds(self.pid)

    def stored_bytes(self) -> int:
        """Return the size of all objects in the bucket."""
        return sum(path.stat().st_size for path in (self.data / "bucket").rglob("*") if path.is_file())


@contextlib.contextmanager
def proxied(port: int, network: Network) -> Iterator[str]:
    """Run a proxy that emulates the network in front of `port`, and yield its address."""
    command = [sys.executable, "-m", "bench.system.network", str(port), str(network.latency_s)]
    process = subprocess.Popen([*command, str(network.bytes_per_s)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise CommandFailed("the proxy of the emulated network did not start; see the lines above")
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
