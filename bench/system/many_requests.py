"""Asks one address again and again over connections that stay open, at little cost of its own.

A client library would take longer to ask than the server to answer. The replies are not looked into beyond their
status and their length.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from typing import cast
from urllib.parse import urlsplit

from msgspec import Struct

from slideshow.errors import CommandFailed


class Load(Struct, frozen=True, kw_only=True):
    """What a run of requests found: answers by status, seconds in all, the time of each answer in seconds, sorted."""

    statuses: dict[int, int]
    seconds: float
    times: tuple[float, ...]
    bytes_each: float

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """The time in seconds that this share of the answers, 0 to 1, stayed within."""
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))]


class _Connection(asyncio.Protocol):
    """One connection: a request, its whole answer, the next request."""

    def __init__(self, request: bytes, until: float, ended: asyncio.Future[None]) -> None:
        self._request = request
        self._until = until
        self._ended = ended
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclass of it
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        now = time.perf_counter()
        self.times.append(now - self._began)
        self.statuses[int(head[9:12])] += 1
        self.size += end + 4 + length
        self._buffer = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _same(connection: _Connection) -> _Connection:
    return connection


async def _ask(url: str, headers: dict[str, str], connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    told = "".join(f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items())
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    request = f"GET {target} HTTP/1.1\r\n{told}\r\n".encode()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = []
    for _ in range(connections):
        ended: asyncio.Future[None] = loop.create_future()
        connection = _Connection(request, began + seconds, ended)
        await loop.create_connection(
            functools.partial(_same, connection), parts.hostname or "127.0.0.1", parts.port or 80
        )
        made.append((connection, ended))
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(ended for _, ended in made))
    took = time.perf_counter() - began
    times = sorted(moment for connection, _ in made for moment in connection.times)
    statuses: Counter[int] = sum((connection.statuses for connection, _ in made), Counter())
    size = sum(connection.size for connection, _ in made)
    return Load(statuses=dict(statuses), seconds=took, times=tuple(times), bytes_each=size / max(1, len(times)))


def ask(url: str, headers: dict[str, str], *, connections: int, seconds: float) -> Load:
    """Keep `connections` busy for `seconds`. Raises CommandFailed if an answer is not 200 or 304, or none comes."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_ask(url, headers, connections, seconds))
    if not found.times or set(found.statuses) - {200, 304}:
        raise CommandFailed(f"{url} was answered with {found.statuses or 'nothing'}")
    return found
