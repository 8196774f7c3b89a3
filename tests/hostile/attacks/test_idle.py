"""Connections that send nothing, or almost nothing, in numbers."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from backend.http.limits import CONNECTIONS_PER_ADDRESS, HEAD_SECONDS, max_connections
from tests.hostile.attacks.attackers import ATTACKER, HEALTH, OTHER, Witness, connect, endings_of
from tests.support import server

pytestmark = pytest.mark.server


@contextlib.contextmanager
def many(target: server.BackendServer, number: int, sources: list[str], first: bytes) -> Iterator[list[socket.socket]]:
    """Open connections from these addresses in turn and send `first` on each."""
    opened = []
    try:
        for index in range(number):
            connection = connect(target, sources[index % len(sources)], seconds=5)
            opened.append(connection)
            with contextlib.suppress(ConnectionError):
                connection.sendall(first)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def hold(target: server.BackendServer, number: int, sources: list[str], first: bytes) -> None:
    with Witness(target) as witness:
        began = time.monotonic()
        with many(target, number, sources, first) as opened:
            opening = time.monotonic() - began
            endings = endings_of(opened, time.monotonic() + HEAD_SECONDS + 3)
            took = time.monotonic() - began
    name = "silent" if not first else "half heads"
    witness.check(
        f"{number:,} connections ({name}) of {len(sources)} addresses, opened in {opening:.1f} s, "
        f"ended after {took:.1f} s: {dict(endings)}"
    )
    assert endings["open"] == 0
    assert endings["closed"] + endings["408"] + endings["503"] == number


@pytest.mark.parametrize("source", [ATTACKER, OTHER])
def test_silent_connections_do_not_shut_out_others(target: server.BackendServer, source: str) -> None:
    hold(target, 3 * CONNECTIONS_PER_ADDRESS, [source], b"")


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("addresses", [1, 200])
@pytest.mark.parametrize("first", [b"", HEALTH[:20]], ids=["silent", "half"])
@pytest.mark.parametrize("number", [1_005, 5_000, "files"])
def test_thousands_of_connections_do_not_shut_out_others(
    target: server.BackendServer, number: int | str, first: bytes, addresses: int
) -> None:
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = files - 100 if isinstance(number, str) else number
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, files + 1000), hard))  # for this process's other files
    except (ValueError, OSError):
        count -= 100
    try:
        hold(target, count, [f"127.0.1.{index + 1}" for index in range(addresses)], first)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def test_keep_alive_connections_make_room_for_others(target: server.BackendServer) -> None:
    with Witness(target) as witness, many(target, 2 * CONNECTIONS_PER_ADDRESS, [OTHER], HEALTH):
        time.sleep(0.5)
    witness.check("200 idle keep-alive connections of the witness's own address")


def test_busy_connections_of_one_address_get_503_beyond_the_limit(target: server.BackendServer) -> None:
    half_body = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
    with Witness(target) as witness, many(target, CONNECTIONS_PER_ADDRESS, [ATTACKER], half_body) as opened:
        time.sleep(0.5)
        with connect(target) as further:
            assert endings_of([further], time.monotonic() + 3) == {"503": 1}
        for connection in opened:
            connection.close()
        time.sleep(0.3)
        with connect(target) as again:
            again.sendall(HEALTH)
            assert again.recv(4096)[9:12] == b"200"
    witness.check("100 busy connections")


def test_connections_stay_below_the_limit_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, expected in ((64, 32), (256, 128), (1024, 896), (20_000, 1000), (resource.RLIM_INFINITY, 1000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert max_connections() == expected
