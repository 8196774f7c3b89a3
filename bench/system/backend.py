"""A real backend under measurement: started on a fresh data folder, filled over HTTP, followed to the end, read out.

Its states and figures are read from its SQLite file, as a person would, so that following costs the backend
nothing. Raises CommandFailed (a sentence for people) where the backend does not start, stalls or fails photos.
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
from slideshow.client.local_backend import START_SECONDS, STOP_SECONDS, announcement, kept_password
from slideshow.errors import CommandFailed

ROOT = Path(__file__).resolve().parents[2]
UPLOAD_CONCURRENCY = 4
POLL_SECONDS = 0.1
STALL_SECONDS = 120.0
# What a measured backend inherits; anything else of the machine could change what is measured.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_LIBRARY_PATH", "NUMBA", "PYTHON", "VIRTUAL_ENV")
HELD_BACK = {"BATCH_SIZE": "1000000", "FLUSH_DELAY_SECONDS": "1000000"}
"""Settings of a backend that starts no task before it is asked to."""


class Sent(Struct, frozen=True, kw_only=True):
    """Uploads: begin and end in seconds since the epoch, the CPU seconds of the uploading threads, bytes sent."""

    began: float
    ended: float
    cpu_s: float
    size: int


class MeasuredBackend:
    """Use as a context manager; `client` is logged in."""

    client: Client
    url: str

    def __init__(
        self, data: Path, *, settings: Mapping[str, str] | None = None, instruments: Instruments | None = None
    ) -> None:
        self.data = data
        self._settings = dict(settings or {})
        self._instruments = instruments
        self._endings = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes]

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
        """The variables of this process that measured ones get."""
        return {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}

    def _start(self) -> None:
        self.data.mkdir(parents=True)
        environment = {**self.inherited(), "SLIDESHOW_DATA": str(self.data.absolute()), **self._settings}
        given, module, port = self._instruments, "backend", 0
        if given is not None:
            environment |= given.environment()
            module = "bench.system.serve"
            if given.network is not None:
                port = free_port()
                behind = self._endings.enter_context(proxied(port, given.network))
                environment |= {"PORT": str(port), "BACKEND_API_URL": behind}
        self.log = self.data / "backend.log"
        log = self._endings.enter_context(self.log.open("ab"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self._endings.callback(self._stop)
        self.url = self._wait_until_it_answers()
        if port:
            self.url = environment["BACKEND_API_URL"]
        self.client = self._endings.enter_context(Client(self.url))
        self.client.log_in(kept_password(self.data))

    def _wait_until_it_answers(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check()
            told = announcement(self.data)
            if told is not None and told.pid == self.pid:
                with Client(told.url) as client:
                    if client.is_healthy():
                        return told.url
            time.sleep(0.02)
        raise CommandFailed(f"the measured backend did not answer within {START_SECONDS:.0f} s:\n{self.log_end()}")

    def _check(self) -> None:
        if self._process.poll() is not None:
            raise CommandFailed(f"the measured backend ended with {self._process.returncode}:\n{self.log_end()}")

    def log_end(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End it now, so that its instruments have written what they found."""
        self._endings.close()

    def add_devices(self, devices: Sequence[Device]) -> None:
        for device in devices:
            body = DeviceBody(name=device.name, width=device.width, height=device.height, pairing=False)
            self.client.save_device(body)

    def upload(self, photos: Sequence[Path], told: Callable[[int], None] = lambda _: None) -> Sent:
        """Send every photo, four at a time as the command line does; `told` hears how many are there."""
        cpu, done = 0.0, 0

        def send(path: Path) -> float:
            before = time.thread_time()
            self.client.upload(path)
            return time.thread_time() - before

        began = time.time()
        with ThreadPoolExecutor(UPLOAD_CONCURRENCY, "upload") as pool:
            for used in pool.map(send, photos):
                cpu, done = cpu + used, done + 1
                told(done)
        return Sent(began=began, ended=time.time(), cpu_s=cpu, size=sum(path.stat().st_size for path in photos))

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.data / "slideshow.db", timeout=10)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def complete(self) -> int:
        """How many images are complete."""
        return int(self.sql("SELECT count(*) FROM images WHERE processing_status = 'complete'")[0][0])

    def wait_for_archive(self, seconds: float = 150.0) -> None:
        """Until the sidecars of all photos are put away, so that it has nothing to do. Raises CommandFailed."""
        deadline = time.monotonic() + seconds
        while any((self.data / "bucket/images/metadata").glob("*.json")):
            if time.monotonic() > deadline:
                raise CommandFailed(f"the sidecars were not put away within {seconds:g} s; see {self.log}")
            time.sleep(0.1)

    def wait(self, photos: int, told: Callable[[int], None] = lambda _: None) -> None:
        """Until `photos` images are complete and every execution has ended; `told` hears how many are.

        Raises CommandFailed if a photo fails or nothing moves for two minutes.
        """
        moved, before = time.monotonic(), -1
        while True:
            self._check()
            states = dict(self.sql("SELECT processing_status, count(*) FROM images GROUP BY 1"))
            complete = states.get("complete", 0)
            if states.get("failed"):
                ((error,),) = self.sql("SELECT processing_error FROM images WHERE processing_status='failed' LIMIT 1")
                raise CommandFailed(f"{states['failed']} photos failed in the measurement; the first: {error}")
            running = self.sql("SELECT count(*) FROM executions WHERE finished_at IS NULL")[0][0]
            if complete >= photos and not running:
                return
            if complete != before:
                moved, before = time.monotonic(), complete
                told(complete)
            if time.monotonic() - moved > STALL_SECONDS:
                raise CommandFailed(f"nothing moved for {STALL_SECONDS:.0f} s at {states}:\n{self.log_end()}")
            time.sleep(POLL_SECONDS)

    def last_result(self) -> float:
        """When the last result was recorded, in seconds since the epoch."""
        return float(self.sql("SELECT max(rendered_at) FROM images")[0][0])

    def tasks_used(self) -> tuple[float, float, int]:
        """Of all tasks so far: (CPU seconds, largest memory of one in MB, tasks)."""
        ((cpu, peak, tasks),) = self.sql("SELECT sum(cpu_seconds), max(peak_rss_mb), sum(tasks) FROM executions")
        return float(cpu or 0.0), float(peak or 0.0), int(tasks or 0)

    def cpu_seconds(self) -> float:
        """CPU seconds of the backend's own process so far."""
        return processes.cpu_seconds(self.pid)

    def stored_bytes(self) -> int:
        """The size of all objects in its bucket."""
        return sum(path.stat().st_size for path in (self.data / "bucket").rglob("*") if path.is_file())


@contextlib.contextmanager
def proxied(port: int, network: Network) -> Iterator[str]:
    """The address of a proxy that imitates the network in front of `port`."""
    command = [sys.executable, "-m", "bench.system.network", str(port), str(network.latency_s)]
    process = subprocess.Popen([*command, str(network.bytes_per_s)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise CommandFailed("the proxy that imitates a network did not start; see the lines above")
        yield f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
