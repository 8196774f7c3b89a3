"""Requests without end on one connection, with and without reading the responses."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from backend.http.limits import MAX_HEAD_BYTES, MAX_PIPELINED, SWEEP_SECONDS, WRITE_SECONDS
from tests.hostile.attacks.attackers import HEALTH, HOST, Witness, connect, send
from tests.support import server

pytestmark = pytest.mark.server


def pipeline(target: server.BackendServer, number: int) -> tuple[int, float]:
    """Send requests back to back while reading; return the number of responses and the seconds."""
    began = time.monotonic()
    with connect(target, seconds=900) as connection:
        sender = threading.Thread(target=send, args=(connection, HEALTH * (number - 1) + _last()))
        sender.start()
        answered, tail = 0, b""
        while piece := connection.recv(1 << 20):
            tail += piece
            answered += tail.count(b"HTTP/1.1 200 ")
            tail = tail[-12:]
        sender.join(60)
    return answered, time.monotonic() - began


def _last() -> bytes:
    return b"GET /_health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_pipelined_requests_are_all_answered_in_little_memory(target: server.BackendServer, count: int) -> None:
    with Witness(target) as witness:
        answered, seconds = pipeline(target, count)
    witness.check(f"{count:,} pipelined requests, {seconds:.1f} s")
    assert answered == count


@pytest.mark.long
@pytest.mark.timeout(180)
def test_pipeline_with_unread_responses_is_closed(target: server.BackendServer) -> None:
    with Witness(target) as witness, connect(target, buffer=4096) as connection:
        began = time.monotonic()
        finished = send(connection, HEALTH * 400_000)
        seconds = time.monotonic() - began
    witness.check(f"400,000 pipelined requests without reading, closed after {seconds:.0f} s")
    assert not finished
    # The kernel's buffers take some responses before the server notices that the client does not read.
    assert seconds < WRITE_SECONDS + 2 * SWEEP_SECONDS + 30


def test_large_pipelined_heads_on_many_connections_take_little_memory(target: server.BackendServer) -> None:
    """Each connection queues 32 heads of nearly 64 KiB while its first request waits for a body that never comes."""
    waiting = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
    large = b"GET /_health HTTP/1.1\r\n" + HOST + b"X: " + b"x" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n"
    with Witness(target) as witness, contextlib.ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(connect(target, seconds=0.05))
            connection.sendall(waiting)
            with contextlib.suppress(OSError):
                connection.sendall(b"}" + large * (2 * MAX_PIPELINED))
        time.sleep(1)
    witness.check("60 connections with 4 MiB of pipelined heads each")
