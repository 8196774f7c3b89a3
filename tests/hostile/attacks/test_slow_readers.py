"""Clients that ask for a large picture and do not read it."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from backend.http.limits import MAX_UNSENT_BYTES, SWEEP_SECONDS, WRITE_SECONDS
from tests.hostile.attacks.attackers import ATTACKER, HOST, OTHER, Witness, connect, read_all
from tests.support import server

pytestmark = pytest.mark.server

PICTURE_BYTES = 7_000_000
"""As of 3840 x 2160 pixels of noise."""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[server.BackendServer, bytes]]:
    """A backend with a large picture, and the request for its signed address."""
    with server.running(tmp_path_factory.mktemp("slow") / "data") as backend:
        token = backend.add_device("frame", interval=600)["token"]
        backend.upload_photos(1)
        backend.finish(backend.claim("setup/0"))
        entry = backend.client(Authorization=f"Bearer {token}").get("/api/devices/frame/next").json()
        address = urlsplit(entry["images"][0]["url"] if "images" in entry else entry["url"])
        for file in (backend.bucket / "processed" / "frame").iterdir():
            file.write_bytes(b"\xff" * PICTURE_BYTES)
        path = f"{address.path}?{address.query}".encode()
        yield backend, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def ask(backend: server.BackendServer, request: bytes, number: int, stack: contextlib.ExitStack) -> Counter[str]:
    """Open connections that send the request and read the first bytes only; return their statuses."""
    statuses: Counter[str] = Counter()
    for _ in range(number):
        connection = stack.enter_context(connect(backend, buffer=4096))
        connection.sendall(request)
        statuses[connection.recv(12)[9:12].decode()] += 1
    return statuses


def whole(backend: server.BackendServer, request: bytes, source: str) -> tuple[bytes, int]:
    with connect(backend, source) as connection:
        connection.sendall(request.replace(b"Host:", b"Connection: close\r\nHost:"))
        answer = read_all(connection)
    return answer[9:12], len(answer)


def test_slow_readers_take_little_memory_and_no_picture_from_others(
    picture: tuple[server.BackendServer, bytes],
) -> None:
    backend, request = picture
    with Witness(backend) as witness, contextlib.ExitStack() as stack:
        statuses = ask(backend, request, 30, stack)
        status, size = whole(backend, request, OTHER)
        assert (status, size > PICTURE_BYTES) == (b"200", True)
        rejected, _ = whole(backend, request, ATTACKER)
        assert rejected == b"503"
    witness.check(f"30 slow readers of 7 MB: {dict(statuses)}")
    assert set(statuses) == {"200", "503"}
    assert 1 <= statuses["200"] <= MAX_UNSENT_BYTES // PICTURE_BYTES


@pytest.mark.long
@pytest.mark.timeout(180)
def test_eighty_slow_readers_are_closed(picture: tuple[server.BackendServer, bytes]) -> None:
    backend, request = picture
    with Witness(backend) as witness, contextlib.ExitStack() as stack:
        began = time.monotonic()
        statuses = ask(backend, request, 80, stack)
        while whole(backend, request, ATTACKER)[0] != b"200":
            assert time.monotonic() - began < WRITE_SECONDS + 2 * SWEEP_SECONDS + 10
            time.sleep(0.5)
        took = time.monotonic() - began
    witness.check(f"80 slow readers of 7 MB: {dict(statuses)}, room again after {took:.0f} s")
    assert "slow reader" in backend.log_text()


def test_reader_of_five_kilobytes_a_second_is_not_cut_off(picture: tuple[server.BackendServer, bytes]) -> None:
    """A client that pauses longer than the keep-alive time still gets its whole picture."""
    backend, request = picture
    with connect(backend, "127.0.0.77", buffer=4096) as connection:
        connection.sendall(request.replace(b"Host:", b"Connection: close\r\nHost:"))
        received = len(connection.recv(4096))
        time.sleep(8)
        received += len(read_all(connection))
    assert received > PICTURE_BYTES
