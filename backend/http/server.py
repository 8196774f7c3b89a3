"""Coalesce the writes of one event-loop iteration into a single `writelines` call.

uvicorn writes the head and the body of a response separately: two system calls and two packets, and the client
wakes up twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_BUFFERED = 65_536
"""Maximum number of buffered bytes. If more are buffered, they are written before the event loop's iteration ends."""


class _CoalescedWrites:
    """A transport that buffers writes until the current iteration of the event loop ends."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._buffer: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Append `data` to the buffered writes."""
        if not self._buffer:
            self._loop.call_soon(self.flush)
        self._buffer.append(data)
        self._size += len(data)
        if self._size > MAX_BUFFERED:
            self.flush()

    def close(self) -> None:
        """Write the buffer, and close once it is sent."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write the buffer now."""
        if self._buffer:
            pieces, self._buffer, self._size = self._buffer, [], 0
            if not self._transport.is_closing():  # otherwise the connection is lost
                self._transport.writelines(pieces)


class WriteCoalescingProtocol(HttpToolsProtocol):
    """uvicorn's protocol over a transport that coalesces writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._coalesced = _CoalescedWrites(transport, self.loop)
        super().connection_made(self._coalesced)  # type: ignore[arg-type]

    def eof_received(self) -> None:
        """Write the buffer: a half-closed client still reads, and the loop closes the connection right after this."""
        self._coalesced.flush()
