"""Heads without end, in size and in time, and cookies that a parser takes too long for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from backend.http.limits import HEAD_SECONDS, MAX_HEAD_BYTES, SWEEP_SECONDS
from tests.hostile.attacks.attackers import (
    HOST,
    Witness,
    connect,
    ending_of,
    endings_of,
    read_all,
    send,
)
from tests.support import server

pytestmark = pytest.mark.server

MIB = 1 << 20
CHUNKED = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BEGINNINGS = {
    "value": b"GET /_health HTTP/1.1\r\nX: ",
    "name": b"GET /_health HTTP/1.1\r\nX",
    "url": b"GET /",
    "trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX: ",
    "chunk extension": CHUNKED + b"2;",
}


def flood(target: server.BackendServer, beginning: bytes, piece: bytes, mib: int) -> tuple[str, int]:
    """Send `mib` MiB after the beginning. Return how the connection ended and the MiB that were accepted."""
    with connect(target, seconds=30) as connection:
        connection.sendall(beginning)
        sent = 0
        while sent < mib and send(connection, piece * (MIB // len(piece))):
            sent += 1
        return ending_of(connection), sent


@pytest.mark.parametrize("part", BEGINNINGS)
def test_endless_part_of_a_head_is_rejected(target: server.BackendServer, part: str) -> None:
    with Witness(target) as witness:
        ending, sent = flood(target, BEGINNINGS[part], b"a" * MIB, 20)
    witness.check(f"endless {part}: {ending} after {sent} MiB")
    # A trailer comes after the body, whose response (422) may be on its way.
    assert ending in (("431",) if part in ("value", "name", "url") else ("431", "422", "closed"))
    assert sent < 20


@pytest.mark.long
@pytest.mark.parametrize("part", BEGINNINGS)
def test_a_hundred_mib_of_one_part_do_not_block_others(target: server.BackendServer, part: str) -> None:
    with Witness(target) as witness:
        ending, sent = flood(target, BEGINNINGS[part], b"a" * MIB, 100)
    witness.check(f"100 MiB of {part}: {ending} after {sent} MiB")
    assert sent < 100


@pytest.mark.long
def test_three_hundred_mib_of_header_lines_are_rejected(target: server.BackendServer) -> None:
    line = b"X-Header: " + b"v" * 1012 + b"\r\n"
    with Witness(target) as witness:
        ending, sent = flood(target, b"GET /_health HTTP/1.1\r\n", line, 300)
    witness.check(f"300 MiB of header lines: {ending} after {sent} MiB")
    assert ending == "431"


def _head(size: int) -> bytes:
    """Return a complete head of `size` bytes."""
    start = b"GET /_health HTTP/1.1\r\n" + HOST + b"Connection: close\r\nX: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize(("size", "status"), [(MAX_HEAD_BYTES, b"200"), (MAX_HEAD_BYTES + 1, b"431")])
@pytest.mark.parametrize("step", [1_000_000, 1_021])
def test_head_limit_is_exact_for_any_split(target: server.BackendServer, size: int, status: bytes, step: int) -> None:
    head = _head(size)
    with connect(target) as connection:
        for start in range(0, size, step):
            if not send(connection, head[start : start + step]):
                break
            time.sleep(0 if step > size else 0.001)
        assert read_all(connection)[9:12] == status


def test_head_split_inside_its_end_is_complete(target: server.BackendServer) -> None:
    head = _head(200)
    for cut in range(195, 200):
        with connect(target) as connection:
            connection.sendall(head[:cut])
            time.sleep(0.05)
            connection.sendall(head[cut:] + b"GET /ignored")
            assert read_all(connection)[9:12] == b"200"


def test_half_head_gets_408_and_silence_is_closed(target: server.BackendServer) -> None:
    with Witness(target) as witness:
        began = time.monotonic()
        half, silent, dripping = connect(target), connect(target), connect(target)
        half.sendall(b"GET /_health HTTP/1.1\r\nHos")
        ended: float | None = None
        for byte in _drip(dripping, began):
            if not byte:
                ended = time.monotonic() - began
                break
        until = began + HEAD_SECONDS + 5
        assert endings_of([half], until) == {"408": 1}
        assert endings_of([silent], until) == {"closed": 1}
        took = time.monotonic() - began
        dripping.close()
    witness.check(f"half heads, ended after {took:.1f} s")
    assert HEAD_SECONDS - 0.1 < took < HEAD_SECONDS + 2 * SWEEP_SECONDS + 2
    assert ended is not None
    assert ended < HEAD_SECONDS + 2 * SWEEP_SECONDS + 3


def _drip(connection: object, began: float) -> Iterator[bool]:
    """Send a byte of a head every 0.2 s; yield False once the connection is closed."""
    assert hasattr(connection, "sendall")
    while time.monotonic() - began < HEAD_SECONDS + 5:
        time.sleep(0.2)
        try:
            connection.sendall(b"G" if time.monotonic() - began < 0.3 else b"E")
        except OSError:
            yield False
            return
        yield True


def _cookie_request(size: int) -> bytes:
    value = b"\\a" * (size // 2)
    head = b"GET /api/devices HTTP/1.1\r\n" + HOST + b"Connection: close\r\nAccept: */*\r\n"
    return head + b'Cookie: session_id="' + value + b'"\r\n\r\n'


def test_cookies_of_backslashes_do_not_block_others(target: server.BackendServer) -> None:
    with Witness(target) as witness:
        for _ in range(5):
            with connect(target) as connection:
                began = time.monotonic()
                connection.sendall(_cookie_request(60_000))
                assert read_all(connection)[9:12] == b"401"
                took = time.monotonic() - began
    witness.check(f"cookies of 60 KB, {took * 1e3:.0f} ms each")
    assert took < 1


@pytest.mark.parametrize("kilobytes", [10, 50, 100, pytest.param(200, marks=pytest.mark.long)])
def test_cookie_of_any_size_is_read_or_rejected(target: server.BackendServer, kilobytes: int) -> None:
    with Witness(target) as witness, connect(target) as connection:
        send(connection, _cookie_request(kilobytes * 1000))
        status = ending_of(connection)
    witness.check(f"cookie of {kilobytes} KB: {status}")
    assert status == ("401" if kilobytes * 1000 < MAX_HEAD_BYTES else "431")


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "Accept", "Origin", "If-None-Match", "Authorization"])
@pytest.mark.parametrize("pattern", [b'for="\\a', b"a,", b"a;q=", b'"\\', b"( "])
def test_large_headers_take_little_time(target: server.BackendServer, name: str, pattern: bytes) -> None:
    value = pattern * (60_000 // len(pattern))
    head = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nConnection: close\r\n"
    with connect(target) as connection:
        began = time.monotonic()
        connection.sendall(head + name.encode() + b": " + value + b"\r\n\r\n")
        assert read_all(connection)[9:12] in (b"403", b"422", b"429")
        assert time.monotonic() - began < 1


@pytest.mark.parametrize(("request_line", "status"), [(b"GET /_health", b"505"), (b"GET / HTTP/2.0", b"505")])
def test_other_versions_of_http_are_rejected(target: server.BackendServer, request_line: bytes, status: bytes) -> None:
    with connect(target) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        assert read_all(connection)[9:12] == status


def test_body_after_an_early_response_is_limited_in_time(target: server.BackendServer) -> None:
    request = b"POST /api/devices HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n{"
    with connect(target) as connection:
        connection.sendall(request)
        assert connection.recv(4096)[9:12] == b"401"
        began = time.monotonic()
        while time.monotonic() - began < 20 and send(connection, b" "):
            time.sleep(0.2)
        assert 9 < time.monotonic() - began < 14
