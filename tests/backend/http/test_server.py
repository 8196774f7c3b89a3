"""Answers leave in one piece: over a transport that notes what reaches it, and over a real connection."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from backend.http.server import MAX_HELD, _CoalescedWrites
from tests.support import server


class Noting:
    """Notes in order what it is asked for; each list is one writing."""

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
def noting() -> Noting:
    return Noting()


def _in_a_loop(noting: Noting, act: Any) -> None:
    async def run() -> None:
        await act(_CoalescedWrites(cast(asyncio.Transport, noting), asyncio.get_running_loop()))

    asyncio.run(run())


def test_what_is_written_in_one_turn_leaves_together_in_its_order(noting: Noting) -> None:
    async def act(transport: _CoalescedWrites) -> None:
        transport.write(b"head")
        transport.write(b"body")
        assert noting.calls == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)

    _in_a_loop(noting, act)
    assert noting.calls == [[b"head", b"body"], [b"next"]]


def test_no_more_is_held_than_the_bound(noting: Noting) -> None:
    async def act(transport: _CoalescedWrites) -> None:
        transport.write(b"head")
        transport.write(bytes(MAX_HELD))
        assert len(noting.calls) == 1
        transport.write(b"tail")
        await asyncio.sleep(0)

    _in_a_loop(noting, act)
    assert noting.calls == [[b"head", bytes(MAX_HELD)], [b"tail"]]


def test_what_is_held_is_written_before_the_end(noting: Noting) -> None:
    async def act(transport: _CoalescedWrites) -> None:
        transport.write(b"last words")
        transport.close()
        await asyncio.sleep(0)

    _in_a_loop(noting, act)
    assert noting.calls == [[b"last words"], "close"]


def test_nothing_is_written_to_whoever_has_gone(noting: Noting) -> None:
    async def act(transport: _CoalescedWrites) -> None:
        transport.write(b"nobody hears this")
        noting.closing = True
        await asyncio.sleep(0)

    _in_a_loop(noting, act)
    assert noting.calls == []


def test_the_transport_is_asked_for_everything_else(noting: Noting) -> None:
    async def act(transport: _CoalescedWrites) -> None:
        assert transport.get_extra_info("peername") == "the peername"

    _in_a_loop(noting, act)


@pytest.mark.server
def test_answers_to_requests_that_come_together_are_whole_and_in_order(backend: server.BackendServer) -> None:
    parts = urlsplit(backend.url)
    asked = b"".join(
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: {kept}\r\n\r\n".encode()
        for path, kept in (("/_health", "keep-alive"), ("/openapi.json", "keep-alive"), ("/nowhere", "close"))
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(asked)
        told = b""
        while piece := connection.recv(65_536):
            told += piece
    heads = [line for line in told.split(b"\r\n") if line.startswith(b"HTTP/1.1 ") or b"}HTTP/1.1 " in line]
    assert [head[head.index(b"HTTP/1.1 ") :][9:12] for head in heads] == [b"200", b"200", b"404"]
    assert b'"openapi":' in told


@pytest.mark.server
def test_whoever_has_said_all_is_answered(backend: server.BackendServer) -> None:
    parts = urlsplit(backend.url)
    for _ in range(20):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
            connection.sendall(f"GET /_health HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
