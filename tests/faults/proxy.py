"""Between tasks and backend: requests that arrive twice, late and out of order, and answers that never do."""

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
"""How late a request or its double may be; longer than a lease of the run."""
KINDS = ("twice", "twice, late", "late", "answer lost", "never arrives")
_PASSED_ON = ("content-type", "authorization")


class ChaosProxy:
    """Use as a context manager; `url` is what tasks call. `met` counts what happened to requests."""

    def __init__(self, backend: str, orders: FaultPlan, chance: float) -> None:
        """`backend`: host:port. `chance`: of one fault for each request that changes something."""
        self._backend = backend
        self._orders = orders
        self._chance = chance
        self._chances = orders.random("proxy")
        self._lock = threading.Lock()
        self._late: list[threading.Timer] = []
        self.met: Counter[str] = Counter()
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> ChaosProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)
        for timer in self._late:
            timer.cancel()

    def draw(self) -> tuple[str | None, float]:
        """What the next request meets, and how late."""
        with self._lock:
            chances: random.Random = self._chances
            met, kind, late = chances.random() < self._chance, chances.choice(KINDS), chances.uniform(*LATE_SECONDS)
            if not met or self._orders.calm:
                return None, 0.0
            self.met[kind] += 1
            return kind, late

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request to the backend. Raises OSError or http.client.HTTPException."""
        connection = http.client.HTTPConnection(self._backend, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kept = {
                name: value for name, value in answer.getheaders() if name.lower() in ("content-type", "retry-after")
            }
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def send_late(self, seconds: float, *request: Any) -> None:
        """The same request once more, when its sender has long gone on."""

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
        """Tasks that were killed end their connections; that is what this is for."""


def _handler(proxy: ChaosProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
            request = (self.command, self.path, headers, body)
            kind, late = proxy.draw() if self.command != "GET" else (None, 0.0)
            if kind == "never arrives":
                self.close_connection = True
                return
            if kind == "late":
                time.sleep(late)
            try:
                if kind == "twice":
                    proxy.send(*request)
                status, kept, answer = proxy.send(*request)
            except (OSError, http.client.HTTPException):  # the backend is dead: so is this connection
                self.close_connection = True
                return
            if kind == "twice, late":
                proxy.send_late(late, *request)
            if kind == "answer lost":
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in kept.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

        def log_message(self, *_: object) -> None:
            """Nothing: `met` counts."""

    return Handler
