"""The output of a connection: coalesced writes, and what the client has not read yet.

uvicorn writes the head and the body of a response separately: two system calls and two packets, and the client wakes up
twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

MAX_BUFFERED = 65_536
"""Maximum number of buffered bytes. If more are buffered, they are written before the event loop's iteration ends."""


class CoalescedWrites:
    """A transport that buffers writes until the current iteration of the event loop ends."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._buffer: list[bytes] = []
        self._size = 0
        self._written = 0

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
            pieces, size, self._buffer, self._size = self._buffer, self._size, [], 0
            if not self._transport.is_closing():  # otherwise the connection is lost
                self._written += size
                self._transport.writelines(pieces)

    def unsent(self) -> int:
        """Return the bytes that the kernel has not accepted, because the client does not read them."""
        return self._transport.get_write_buffer_size()

    def sent(self) -> int:
        """Return the bytes that the kernel has accepted so far."""
        return self._written - self.unsent()


class HeldFlow(FlowControl):
    """uvicorn's flow control, which reads no further while input is waiting for its turn in the pipeline."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()
