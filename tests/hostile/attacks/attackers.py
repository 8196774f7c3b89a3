"""Clients without credentials that attack a backend, and a witness that measures what others notice.

Attackers connect from another loopback address than the witness, because limits count by address.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from tests.support import server

ATTACKER = "127.0.0.66"
OTHER = "127.0.0.1"
HOST = b"Host: 127.0.0.1\r\n"
HEALTH = b"GET /_health HTTP/1.1\r\n" + HOST + b"\r\n"
MAX_GROWTH_MB = 100
MAX_WAIT = 0.5
"""What others may wait at most, in seconds."""
BUSY_MAX_WAIT = 1.5
"""The same in short forms, which run beside other tests on all CPUs. Before the limits it was 3.5 to 25 s."""


def memory_mb(backend: server.BackendServer) -> float:
    """Return the resident memory of the backend's process in MB."""
    for line in Path(f"/proc/{backend.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the backend has no resident memory")


def connect(
    backend: server.BackendServer, source: str = ATTACKER, *, buffer: int | None = None, seconds: float = 60.0
) -> socket.socket:
    """Return a connection from the address `source`, with a receive buffer of this size."""
    address = urlsplit(backend.url)
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(seconds)
    connection.bind((source, 0))
    connection.connect((address.hostname, address.port))
    return connection


def send(connection: socket.socket, data: bytes) -> bool:
    """Send everything. Return False if the backend ended the connection before."""
    try:
        connection.sendall(data)
    except (ConnectionError, BrokenPipeError):
        return False
    return True


def read_all(connection: socket.socket) -> bytes:
    """Return everything until the backend ends the connection. Raises TimeoutError if it does not."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 20):
            received += piece
    return bytes(received)


def ending_of(connection: socket.socket) -> str:
    """Return how the backend ends a connection: the status of its last response, or `closed`, or `open`."""
    try:
        received = read_all(connection)
    except TimeoutError:
        return "open"
    return received.rpartition(b"HTTP/1.1 ")[2][:3].decode() if received else "closed"


def endings_of(connections: list[socket.socket], until: float) -> Counter[str]:
    """Return how many connections ended in which way by the monotonic time `until`."""
    endings: Counter[str] = Counter()
    for connection in connections:
        connection.settimeout(max(0.001, until - time.monotonic()))
        endings[ending_of(connection)] += 1
        connection.close()
    return endings


class Witness:
    """Another client, which asks for `/_health` over a new connection all the time, and observes the memory."""

    def __init__(self, backend: server.BackendServer, source: str = OTHER) -> None:
        self._backend = backend
        self._source = source
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.waits: list[float] = []
        self.failures: list[str] = []
        self.before = memory_mb(backend)
        self.peak = self.before

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)

    def _watch(self) -> None:
        address = urlsplit(self._backend.url)
        while not self.waits or not self._stop.wait(0.02):
            began = time.perf_counter()
            try:
                client = http.client.HTTPConnection(
                    address.hostname or "", address.port, timeout=60, source_address=(self._source, 0)
                )
                client.request("GET", "/_health")
                status = client.getresponse().status
                client.close()
                if status != 200:
                    self.failures.append(str(status))
            except OSError as error:
                self.failures.append(repr(error))
            self.waits.append(time.perf_counter() - began)
            self.peak = max(self.peak, memory_mb(self._backend))

    @property
    def growth(self) -> float:
        """The memory in MB by which the backend has grown at most."""
        return self.peak - self.before

    def check(self, what: str, max_wait: float = BUSY_MAX_WAIT) -> None:
        """Fail if others were rejected or waited, or if the backend has grown."""
        slowest = max(self.waits)
        sys.stdout.write(  # shown with `pytest -s`, and if the test fails
            f"\n{what}: memory +{self.growth:.0f} MB (from {self.before:.0f}), "
            f"others waited at most {slowest * 1e3:.0f} ms in {len(self.waits)} requests, {len(self.failures)} failed\n"
        )
        assert self.failures == []
        assert self.growth < MAX_GROWTH_MB
        assert slowest < max_wait
