"""Proxy between tasks and backend that duplicates, delays, reorders and drops requests, and drops responses."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.faults.fault_plan import FaultPlan

ANSWER_SECONDS = 30.0
LATE_SECONDS = (0.2, 4.0)
"""Range of delays of a request or its duplicate; the longest exceed a lease of the run."""
KINDS = ("twice", "twice, late", "late", "response lost", "request lost")
_FORWARDED = ("content-type", "authorization")


class FaultyProxy:
    """Faulty proxy, used as a context manager; tasks call `url`, and `injected` counts the faults."""

    def __init__(self, backend: str, plan: FaultPlan, chance: float) -> None:
        """Create the proxy of `backend` (host:port); `chance` is the probability of a fault for each write request."""
        self._backend = backend
        self._plan = plan
        self._chance = chance
        self._chances = plan.random("proxy")
        self._lock = threading.Lock()
        self._late: list[threading.Timer] = []
        self.injected: Counter[str] = Counter()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)
        for timer in self._late:
            timer.cancel()

    def draw(self) -> tuple[str | None, float]:
        """Return the fault of the next request, and its delay in seconds."""
        with self._lock:
            chances: random.Random = self._chances
            hit, kind, late = chances.random() < self._chance, chances.choice(KINDS), chances.uniform(*LATE_SECONDS)
            if not hit or self._plan.quiet:
                return None, 0.0
            self.injected[kind] += 1
            return kind, late

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send one request to the backend. Raises OSError or http.client.HTTPException."""
        connection = http.client.HTTPConnection(self._backend, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            forwarded = {
                name: value for name, value in response.getheaders() if name.lower() in ("content-type", "retry-after")
            }
            return response.status, forwarded, response.read()
        finally:
            connection.close()

    def send_late(self, seconds: float, *request: Any) -> None:
        """Send a duplicate of a request later, after its sender has continued."""

        def again() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.send(*request)

        timer = threading.Timer(seconds, again)
        timer.daemon = True
        self._late.append(timer)
        timer.start()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of connections: tasks are killed on purpose."""


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() in _FORWARDED}
            request = (self.command, self.path, headers, body)
            kind, late = proxy.draw() if self.command != "GET" else (None, 0.0)
            if kind == "request lost":
                self.close_connection = True
                return
            if kind == "late":
                time.sleep(late)
            try:
                if kind == "twice":
                    proxy.send(*request)
                status, forwarded, content = proxy.send(*request)
            except (OSError, http.client.HTTPException):  # the backend was killed, so this connection ends too
                self.close_connection = True
                return
            if kind == "twice, late":
                proxy.send_late(late, *request)
            if kind == "response lost":
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in forwarded.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = forward

        def log_message(self, *_: object) -> None:
            """Write no log: `injected` counts the faults."""

    return Handler
