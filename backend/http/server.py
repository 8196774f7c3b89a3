"""Answers leave in one piece, and those of one turn of the event loop right behind each other.

uvicorn writes the head of an answer and its body by themselves, each as soon as it is there: two system calls, two
packets, and for the other side two times to wake up.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HELD = 65_536
"""Bytes; with more than that the turn's end is not waited for."""


class _CoalescedWrites:
    """A transport that writes what it was given in a turn of the event loop when that is over."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Have this written behind what is held."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > MAX_HELD:
            self.flush()

    def close(self) -> None:
        """Write what is held, and close once it is sent."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what is held now."""
        if self._held:
            held, self._held, self._size = self._held, [], 0
            if not self._transport.is_closing():  # else the connection is lost
                self._transport.writelines(held)


class WriteCoalescingProtocol(HttpToolsProtocol):
    """uvicorn's protocol over such a transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._one_write = _CoalescedWrites(transport, self.loop)
        super().connection_made(self._one_write)  # type: ignore[arg-type]

    def eof_received(self) -> None:
        """Whoever has said all may still listen, and the loop closes the connection right after this."""
        self._one_write.flush()
