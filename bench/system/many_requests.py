"""A load generator: repeated requests to some addresses over keep-alive connections, with little CPU time of its own.

A client library would take longer for a request than the server. Only status and length of a response are read.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import cast
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from slideshow.errors import CommandFailed

Target = tuple[str, dict[str, str]]
"""An address and the headers to send to it."""


class Load(Struct, frozen=True, kw_only=True):
    """The result: responses by status, total seconds, the sorted time of each response, mean bytes per response."""

    statuses: dict[int, int]
    seconds: float
    times: tuple[float, ...]
    bytes_each: float

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the time in seconds within which `share` (0 to 1) of the responses arrived."""
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))]


class _Connection(asyncio.Protocol):
    """A connection that sends the next request after each complete response."""

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
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not a subclass
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        now = time.perf_counter()
        self.times.append(now - self._began)
        self.statuses[int(head[9:12])] += 1
        self.size += end + 4 + length
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


async def _open(url: SplitResult, request: bytes, until: float) -> tuple[_Connection, asyncio.Future[None]]:
    """Return a connection, and the future of its end."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    connection = _Connection(request, until, ended)
    await loop.create_connection(lambda: connection, url.hostname or "127.0.0.1", url.port or 80)
    return connection, ended


async def _ask(targets: Sequence[Target], connections: int, seconds: float) -> Load:
    requests = []
    for url, headers in targets:
        parts = urlsplit(url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items())
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        requests.append((parts, f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode()))
    began = time.perf_counter()
    opened = [await _open(*requests[number % len(requests)], began + seconds) for number in range(connections)]
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(ended for _, ended in opened))
    took = time.perf_counter() - began
    times = sorted(moment for connection, _ in opened for moment in connection.times)
    statuses: Counter[int] = sum((connection.statuses for connection, _ in opened), Counter())
    size = sum(connection.size for connection, _ in opened)
    return Load(statuses=dict(statuses), seconds=took, times=tuple(times), bytes_each=size / max(1, len(times)))


def ask(targets: Sequence[Target], *, connections: int, seconds: float) -> Load:
    """Send requests for `seconds`, over `connections` that share the targets.

    Raises:
        CommandFailed: A response was neither 200 nor 304.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(_ask(targets, connections, seconds))
    if not load.times or set(load.statuses) - {200, 304}:
        raise CommandFailed(f"{targets[0][0]} answered {load.statuses or 'nothing'}")
    return load
