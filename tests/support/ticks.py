"""Calls of the periodic run over HTTP."""

from __future__ import annotations

import threading
import time

import httpx

from tests.support import server

WAIT_SECONDS = 60.0
TICK = "/internal/tick"


def until_done(backend: server.BackendServer, *, ticking: bool) -> None:
    """Wait until every image is complete or failed; with `ticking`, call the periodic run until then."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if ticking:
            backend.processor.post(TICK).raise_for_status()
        left = backend.sql("SELECT count(*) FROM images WHERE processing_status IN ('pending', 'processing')")
        running = backend.sql("SELECT count(*) FROM executions WHERE state IN ('starting', 'running')")
        if left == running == [(0,)]:
            return
        time.sleep(0.05)
    raise AssertionError(f"not done within {WAIT_SECONDS} s:\n{backend.log_text()}")


def at_once(calls: int, backend: server.BackendServer, path: str) -> list[httpx.Response]:
    """Send `calls` requests concurrently with the processor's token; return the responses."""
    responses: list[httpx.Response] = []
    clients = [backend.client(Authorization=backend.processor.headers["Authorization"]) for _ in range(calls)]
    barrier = threading.Barrier(calls, timeout=10)

    def post(client: httpx.Client) -> None:
        barrier.wait()
        responses.append(client.post(path))

    threads = [threading.Thread(target=post, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    return responses
