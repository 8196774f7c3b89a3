"""Write coalescing: over a recording transport, and over a real connection."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from backend.http.transport import MAX_BUFFERED, CoalescedWrites
from tests.support import server


class RecordingTransport:
    """Records calls in order; each list is one `writelines` call."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.closing = False

    def writelines(self, pieces: list[bytes]) -> None:
        assert not self.closing
        self.calls.append(list(pieces))

    def close(self) -> None:
        self.closing = True
        self.calls.append("close")

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


@pytest.fixture
def recording() -> RecordingTransport:
    return RecordingTransport()


def _in_a_loop(recording: RecordingTransport, act: Any) -> None:
    async def run() -> None:
        await act(CoalescedWrites(cast(asyncio.Transport, recording), asyncio.get_running_loop()))

    asyncio.run(run())


def test_write_same_iteration_is_one_call_in_order(recording: RecordingTransport) -> None:
    async def act(transport: CoalescedWrites) -> None:
        transport.write(b"head")
        transport.write(b"body")
        assert recording.calls == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)

    _in_a_loop(recording, act)
    assert recording.calls == [[b"head", b"body"], [b"next"]]


def test_write_above_the_limit_is_written_at_once(recording: RecordingTransport) -> None:
    async def act(transport: CoalescedWrites) -> None:
        transport.write(b"head")
        transport.write(bytes(MAX_BUFFERED))
        assert len(recording.calls) == 1
        transport.write(b"tail")
        await asyncio.sleep(0)

    _in_a_loop(recording, act)
    assert recording.calls == [[b"head", bytes(MAX_BUFFERED)], [b"tail"]]


def test_close_writes_the_buffer_first(recording: RecordingTransport) -> None:
    async def act(transport: CoalescedWrites) -> None:
        transport.write(b"last words")
        transport.close()
        await asyncio.sleep(0)

    _in_a_loop(recording, act)
    assert recording.calls == [[b"last words"], "close"]


def test_write_lost_connection_is_dropped(recording: RecordingTransport) -> None:
    async def act(transport: CoalescedWrites) -> None:
        transport.write(b"dropped")
        recording.closing = True
        await asyncio.sleep(0)

    _in_a_loop(recording, act)
    assert recording.calls == []


def test_other_calls_reach_the_transport(recording: RecordingTransport) -> None:
    async def act(transport: CoalescedWrites) -> None:
        assert transport.get_extra_info("peername") == "the peername"

    _in_a_loop(recording, act)


@pytest.mark.server
def test_pipelined_requests_are_answered_in_order(backend: server.BackendServer) -> None:
    parts = urlsplit(backend.url)
    requests = b"".join(
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: {connection}\r\n\r\n".encode()
        for path, connection in (("/_health", "keep-alive"), ("/openapi.json", "keep-alive"), ("/nowhere", "close"))
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as client:
        client.sendall(requests)
        response = b""
        while piece := client.recv(65_536):
            response += piece
    heads = [line for line in response.split(b"\r\n") if line.startswith(b"HTTP/1.1 ") or b"}HTTP/1.1 " in line]
    assert [head[head.index(b"HTTP/1.1 ") :][9:12] for head in heads] == [b"200", b"200", b"404"]
    assert b'"openapi":' in response


@pytest.mark.server
def test_half_closed_connection_still_gets_its_response(backend: server.BackendServer) -> None:
    parts = urlsplit(backend.url)
    for _ in range(20):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
            connection.sendall(f"GET /_health HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
