"""Google Cloud Storage's JSON API on 127.0.0.1, as far as the programs use it, strict and with faults to order.

In one's own process:   with GcsServer("photos") as server: ... server.url, server.faults, server.requests
As a program:           python -m emulators.cloud_storage.server photos --latency 0.03 --rate 50e6
                        (its first line is the address for STORAGE_EMULATOR_HOST)
From a program:         with gcs_process("photos", latency=0.03, rate=50e6) as imitation: ...

Whatever the API does not know, or this imitation does not do, is refused with a sentence: uploads
in several requests, batches, parameters that nobody asked for so far.
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
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

from msgspec import Struct

from emulators.cloud_storage.faults import Fault, Faults, Link
from emulators.cloud_storage.handler import make_handler
from emulators.cloud_storage.objects import MAX_PAGE, ObjectStore

START_SECONDS = 20.0


class GcsServer:
    """A server in this process; use as a context manager. `url` is where it listens."""

    def __init__(
        self,
        *buckets: str,
        latency: float = 0.0,
        rate: float = 0.0,
        largest_page: int = MAX_PAGE,
        port: int = 0,
    ) -> None:
        """`latency` in seconds for each request, `rate` in bytes a second and direction (0: as fast as it goes)."""
        self.store = ObjectStore(*buckets, largest_page=largest_page)
        self.faults = Faults()
        self.link = Link(latency, rate)
        self.denied: set[str] = set()
        """Operations that are answered with 403."""
        self.requests: Counter[str] = Counter()
        """How many requests each operation had; `bytes up` and `bytes down` are those of bodies."""
        self.connections = 0
        """How many are open now, and the most that ever were."""
        self.most_connections = 0
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
        """Note a request or a body."""
        with self._lock:
            self.requests[what] += number

    def opened(self, number: int) -> None:
        """Note that a connection was opened (1) or closed (-1)."""
        with self._lock:
            self.connections += number
            self.most_connections = max(self.most_connections, self.connections)

    def report(self) -> dict[str, object]:
        """What `GET /_imitation` tells: the CPU time of this process, and what was asked of it."""
        with self._lock:
            return {
                "cpu_seconds": time.process_time(),
                "requests": dict(self.requests),
                "faults": dict(self.faults.met),
                "most_connections": self.most_connections,
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
        """A connection that ends early is what some faults are; everything else is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class GcsProcess(Struct, frozen=True):
    """An imitation in a process of its own."""

    url: str
    pid: int

    def report(self) -> dict[str, object]:
        """Its CPU time and requests so far."""
        with urllib.request.urlopen(f"{self.url}/_imitation", timeout=START_SECONDS) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that it has taken, to be subtracted from a measurement."""
        return float(str(self.report()["cpu_seconds"]))


@contextlib.contextmanager
def gcs_process(bucket: str, *, latency: float = 0.0, rate: float = 0.0, faults: float = 0.0) -> Iterator[GcsProcess]:
    """Run the server as a process for the time of a block. `faults` is the chance of one for each request."""
    command = [sys.executable, "-m", "emulators.cloud_storage.server", bucket]
    command += [f"--latency={latency}", f"--rate={rate}", f"--faults={faults}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"the imitated bucket did not start (exit code {process.wait(START_SECONDS)})")
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
"""One of each kind, for a program that must bear them all."""


def main() -> None:
    """Serve until standard input ends, as it does with the process that started this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bucket", nargs="+")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each request")
    parser.add_argument("--rate", type=float, default=0.0, help="bytes a second in each direction; 0: no limit")
    parser.add_argument("--faults", type=float, default=0.0, help="chance of a fault for each request")
    given = parser.parse_args()
    with GcsServer(*given.bucket, latency=given.latency, rate=given.rate, port=given.port) as server:
        if given.faults:
            server.faults.draw(given.faults, *MIXED)
        print(server.url, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
