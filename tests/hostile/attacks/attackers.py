"""Clients without credentials that attack a backend, and a witness that measures what others notice.

Attackers connect from another loopback address than the witness, because limits count by address.
The time in which server and witness wait for a CPU, because other programs run, is subtracted (Linux counts it).
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
NO_PORT = 24
"""IP_BIND_ADDRESS_NO_PORT of Linux: the kernel chooses the port when it connects, which is faster with many ports."""


def memory_mb(backend: server.BackendServer) -> float:
    """Return the resident memory of the backend's process in MB."""
    for line in Path(f"/proc/{backend.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the backend has no resident memory")


def run_delay(status: Path) -> float:
    """Return the seconds that a thread has waited for a CPU; 0 where the kernel does not count them."""
    try:
        return int(status.read_text().split()[1]) / 1e9
    except (FileNotFoundError, IndexError):
        return 0.0


def connect(
    backend: server.BackendServer, source: str = ATTACKER, *, buffer: int | None = None, seconds: float = 60.0
) -> socket.socket:
    """Return a connection from the address `source`, with a receive buffer of this size."""
    address = urlsplit(backend.url)
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(seconds)
    if sys.platform == "linux":
        connection.setsockopt(socket.IPPROTO_IP, NO_PORT, 1)
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
        self.slowest = 0.0
        """The longest wait with the time for which there was no CPU."""
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
        port = urlsplit(self._backend.url).port or 0
        pid = self._backend.process.pid
        threads = (Path(f"/proc/{pid}/task/{pid}/schedstat"), Path("/proc/thread-self/schedstat"))
        while not self.waits or not self._stop.wait(0.02):
            delay = sum(map(run_delay, threads))
            wait = self._ask(port)
            delay = sum(map(run_delay, threads)) - delay
            self.slowest = max(self.slowest, wait)
            self.waits.append(max(0.0, wait - delay))
            self.peak = max(self.peak, memory_mb(self._backend))

    def _ask(self, port: int) -> float:
        """Return the seconds until a new connection had its response."""
        began = time.perf_counter()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(self._source, 0))
        try:
            client.request("GET", "/_health")
            if (status := client.getresponse().status) != 200:
                self.failures.append(str(status))
        except OSError as error:
            self.failures.append(repr(error))
        finally:
            client.close()
        return time.perf_counter() - began

    @property
    def growth(self) -> float:
        """The memory in MB by which the backend has grown at most."""
        return self.peak - self.before

    def check(self, what: str) -> None:
        """Fail if others were rejected or waited, or if the backend has grown."""
        sys.stdout.write(  # shown with `pytest -s`, and if the test fails
            f"\n{what}: memory +{self.growth:.0f} MB (from {self.before:.0f}), "
            f"others waited at most {max(self.waits) * 1e3:.0f} ms in {len(self.waits)} requests "
            f"({self.slowest * 1e3:.0f} ms with waiting for a CPU), {len(self.failures)} failed\n"
        )
        assert self.failures == []
        assert self.growth < MAX_GROWTH_MB
        assert max(self.waits) < MAX_WAIT
