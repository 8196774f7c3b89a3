"""Emulator of Cloud Storage's JSON API on 127.0.0.1: the part that the programs use, strict, with injected faults.

In this process:      with GcsServer("photos") as server: ... server.url, server.faults, server.requests
As a program:         python -m emulators.cloud_storage.server photos --latency 0.03 --rate 50e6
                      (prints the URL for STORAGE_EMULATOR_HOST as its first line)
In a second process:  with gcs_process("photos", latency=0.03, rate=50e6) as emulator: ...

Requests that the API does not define or this emulator does not implement are rejected with a message.
Examples are batches, and parameters that the programs do not use.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

from msgspec import Struct

from emulators.cloud_storage.faults import Fault, Faults, Link
from emulators.cloud_storage.handler import make_handler
from emulators.cloud_storage.objects import MAX_PAGE, ObjectStore
from emulators.cloud_storage.retry_tests import RetryTests

START_SECONDS = 20.0


class GcsServer:
    """A server in this process, used as a context manager; `url` is its base URL."""

    def __init__(
        self,
        *buckets: str,
        latency: float = 0.0,
        rate: float = 0.0,
        max_page: int = MAX_PAGE,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the server.

        Args:
            buckets: Names of empty buckets to create.
            latency: Seconds per request.
            rate: Bytes per second in each direction; 0 means no limit.
            max_page: Maximum number of entries in a page of a listing.
            port: TCP port; 0 selects a free one.
            clock: Returns the time of new objects.
        """
        self.store = ObjectStore(*buckets, max_page=max_page, clock=clock)
        self.faults = Faults()
        self.retry_tests = RetryTests()
        self.link = Link(latency, rate)
        self.denied: set[str] = set()
        """Operations that are rejected with 403."""
        self.requests: Counter[str] = Counter()
        """Number of requests by operation; `bytes up` and `bytes down` count the bytes of bodies."""
        self.connections = 0
        """Number of open connections."""
        self.max_connections = 0
        """Maximum of `connections` so far."""
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), make_handler(self))
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> GcsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def count(self, what: str, number: int = 1) -> None:
        """Count requests of an operation, or bytes of bodies."""
        with self._lock:
            self.requests[what] += number

    def opened(self, number: int) -> None:
        """Count a connection that was opened (1) or closed (-1)."""
        with self._lock:
            self.connections += number
            self.max_connections = max(self.max_connections, self.connections)

    def report(self) -> dict[str, object]:
        """Return the response to `GET /_emulator`: the CPU time of this process, and its counters."""
        with self._lock:
            return {
                "cpu_seconds": time.process_time(),
                "requests": dict(self.requests),
                "faults": dict(self.faults.met),
                "max_connections": self.max_connections,
            }


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: GcsServer

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self.owner.opened(1)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.owner.opened(-1)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that end early, which some faults cause, and print all other errors."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class GcsProcess(Struct, frozen=True):
    """An emulator in a process of its own."""

    url: str
    pid: int

    def report(self) -> dict[str, object]:
        """Return its CPU time and counters so far."""
        with urllib.request.urlopen(f"{self.url}/_emulator", timeout=START_SECONDS) as response:
            report: dict[str, object] = json.load(response)
            return report

    @property
    def cpu_seconds(self) -> float:
        """Its CPU time so far, to subtract from a measurement."""
        return float(str(self.report()["cpu_seconds"]))


@contextlib.contextmanager
def gcs_process(bucket: str, *, latency: float = 0.0, rate: float = 0.0, faults: float = 0.0) -> Iterator[GcsProcess]:
    """Run the server in a process within a block; `faults` is the probability of a fault for each request."""
    command = [sys.executable, "-m", "emulators.cloud_storage.server", bucket]
    command += [f"--latency={latency}", f"--rate={rate}", f"--faults={faults}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"the emulator did not start (exit code {process.wait(START_SECONDS)})")
        yield GcsProcess(url, process.pid)
    finally:
        process.kill()
        process.communicate(timeout=START_SECONDS)


MIXED = (
    Fault("status", status=503),
    Fault("status", status=429),
    Fault("reset"),
    Fault("lost answer"),
    Fault("broken", after=2000),
    Fault("stall", seconds=0.2, after=1000),
    Fault("corrupt"),
)
"""One fault of each kind, for a program that must survive all of them."""


def main() -> None:
    """Serve until standard input ends, which happens when the parent process ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bucket", nargs="+")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request")
    parser.add_argument("--rate", type=float, default=0.0, help="bytes per second in each direction; 0: no limit")
    parser.add_argument("--faults", type=float, default=0.0, help="probability of a fault for each request")
    options = parser.parse_args()
    with GcsServer(*options.bucket, latency=options.latency, rate=options.rate, port=options.port) as server:
        if options.faults:
            server.faults.draw(options.faults, *MIXED)
        print(server.url, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
