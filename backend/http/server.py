"""The HTTP server: uvicorn with a protocol class that enforces limits.

uvicorn limits neither the head of a request, nor pipelines, nor the time of a connection without a request.
`backend.http.limits` lists the limits.

The protocol feeds the parser in pieces that end where a head or a body ends.
So it knows the exact size of a head, and can stop between two requests of a pipeline.
"""

from __future__ import annotations

import asyncio
import functools
import math
from http import HTTPStatus
from typing import Any

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from backend.http.errors import PROBLEM_JSON
from backend.http.limits import (
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    LATE_BODY_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    MIN_PROGRESS_BYTES,
    WRITE_SECONDS,
    Connections,
)
from backend.http.transport import CoalescedWrites, HeldFlow
from contract.messages.admin import Problem

END = b"\r\n\r\n"
"""Ends a head, and a chunked body."""
MAX_CHUNKED_PIECE = 16_384
"""A piece of a chunked body. The size of trailers is known to this precision."""
NEVER = math.inf
DETAILS = {
    400: "the request is not valid HTTP",
    408: f"the head of the request did not arrive within {HEAD_SECONDS:g} s",
    431: f"the head of the request has more than {MAX_HEAD_BYTES:,} bytes",
    503: "too many open connections; try again in a few seconds",
    505: "use HTTP/1.1",
}


def server_config(app: Any, connections: Connections) -> uvicorn.Config:
    """Return the configuration of a uvicorn server that enforces the limits of `connections`."""
    protocol: Any = functools.partial(LimitedProtocol, limits=connections)
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits, over a transport that coalesces writes."""

    def __init__(self, *args: Any, limits: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self.peer: str | None = None
        self.client_address = ""
        self._trusted = False
        self._had_request = False
        self._running: RequestResponseCycle | None = None
        self._deadline = NEVER
        """The event loop's time at which `check` ends the connection."""
        self._progress: tuple[float, int] | None = None
        """Since when the client reads too slowly, and the bytes that it had read by then."""

        self._unread = b""
        self._start = 0
        """Input from `_start` on is not parsed yet, because the pipeline is full."""
        self._in_head = True
        self._head_bytes = 0
        self._queued_bytes = 0
        self._tail = b""
        """The end of the previous piece: an `END` may be split between two reads."""
        self._body_left: int | None = None
        """Bytes of the body that are still to come, None if it is chunked."""
        self._framing_bytes = 0
        """Bytes of a chunked body since its last data: chunk extensions or trailers."""
        self._got_data = False
        self._status = 400
        self._discarding = False
        """The rest of the input is dropped: a final response is written, or the client asked for an upgrade."""
        self._discarded = 0
        self._stopping = False
        self._half_closed = False

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._writes = CoalescedWrites(transport, self.loop)
        super().connection_made(self._writes)  # type: ignore[arg-type]
        self.flow: HeldFlow = HeldFlow(self._writes)  # type: ignore[arg-type]
        self.client_address = self.client[0] if self.client else ""
        self.peer = self._limits.peer_of(self.client_address)
        self._trusted = self.peer is None
        self._deadline = self.loop.time() + HEAD_SECONDS
        if not self._limits.admit(self):
            self._limits.record("503", self)
            self._discarding = True
            self.transport.write(_response(503))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.remove(self)
        self._deadline = NEVER
        self._unread = b""
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True  # uvicorn marks the newest request only
            self._running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return True to keep the connection open for responses: a half-closed client still reads."""
        self._writes.flush()
        running = self._running
        if self._discarding or not self._in_head or running is None or running.response_complete:
            return False
        if running.response_started:  # an event stream: it ends when its client closes the connection
            return False
        self._half_closed = True
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._limits.reads_slowly(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._limits.reads_again(self)

    def shutdown(self) -> None:
        """Accept no further request, and close the connection once the current ones are answered."""
        self._stopping = True
        if self._running is None or self._running.response_complete:
            self.transport.close()
        else:
            super().shutdown()

    # Limits

    @property
    def idle_since(self) -> float | None:
        """The time since which the connection waits for a request, None if it has one."""
        if self._busy or not self._in_head or self._head_bytes or self._discarding:
            return None
        return self._deadline - KEEP_ALIVE_SECONDS

    @property
    def _busy(self) -> bool:
        return bool(self.pipeline) or (self._running is not None and not self._running.response_complete)

    def unsent(self) -> int:
        return self._writes.unsent()

    def drop(self) -> None:
        self._deadline = NEVER
        self._discarding = True
        self.transport.close()

    def check(self, now: float) -> None:
        """End the connection if its client did not send, or read, in time."""
        if self.unsent():
            sent = self._writes.sent()
            if self._progress is None or sent - self._progress[1] >= MIN_PROGRESS_BYTES:
                self._progress = (now, sent)
            elif now - self._progress[0] > WRITE_SECONDS:
                self._limits.record("slow reader", self)
                self.transport.abort()
                return
            if self._deadline != NEVER and not self._discarding:
                self._deadline = now + KEEP_ALIVE_SECONDS  # the client is still reading the previous response
        else:
            self._progress = None
        if self._deadline > now:
            return
        self._deadline = NEVER
        if self._discarding:
            self.transport.abort()
        elif self._in_head and self._head_bytes:
            self._reject(408)
        else:
            self.transport.close()

    def _reject(self, status: int) -> None:
        """Send a final response and end the connection; without the response if another one is under way."""
        self._limits.record(str(status), self)
        self._unread = b""
        self._discarding = True
        if self._busy or self._half_closed:
            self.transport.close()
            return
        self.transport.write(_response(status))
        self._writes.flush()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            # Closing with unread input makes the kernel send a reset, which may overtake the response.
            self.transport.write_eof()
            self._deadline = self.loop.time() + LINGER_SECONDS
        else:
            self.transport.close()

    # Input

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES and not self._busy:
                self.transport.abort()
            return
        self._unread = self._unread[self._start :] + data if self._unread else data
        self._start = 0
        self._parse()

    def _parse(self) -> None:
        """Feed the parser until the input ends or the pipeline is full."""
        data, start = self._unread, self._start
        size = len(data)
        while start < size and not self._discarding:
            if self._in_head:
                if self._stopping:
                    start = size
                    break
                if len(self.pipeline) >= MAX_PIPELINED or self._queued_bytes > MAX_HEAD_BYTES:
                    break
            end = self._end_of_piece(data, start, size)
            if self._in_head:
                if end == size and self._had_request and not self._head_bytes and not self._busy:
                    self._deadline = self.loop.time() + HEAD_SECONDS  # a complete head ends this deadline
                self._head_bytes += end - start
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._reject(431)
                    break
            self._feed(data if end - start == size else data[start:end])
            start = end
        if start < size and not self._discarding:
            self._start = start
            self.flow.held = True
            self.flow.pause_reading()
        else:
            self._unread, self._start = b"", 0
            self.flow.held = False

    def _end_of_piece(self, data: bytes, start: int, size: int) -> int:
        """Return where the piece of `data` ends that contains at most the rest of one head, or of one body."""
        if not self._in_head and self._body_left is not None:
            return min(size, start + self._body_left)
        if self._tail:
            found = (self._tail + data[start : start + len(END) - 1]).find(END)
            if found >= 0:
                return start + found + len(END) - len(self._tail)
        found = data.find(END, start)
        end = found + len(END) if found >= 0 else size
        return end if self._in_head else min(end, start + MAX_CHUNKED_PIECE)

    def _feed(self, piece: bytes) -> None:
        """Parse a piece, or reject it."""
        was_head = self._in_head
        self._got_data = False
        if not was_head and self._body_left is not None:
            self._body_left -= len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # the request is answered as one without an upgrade
            self._discarding = True
            return
        except httptools.HttpParserError:
            self._reject(self._status)
            return
        if was_head and not self._in_head:  # a body follows
            lengths = [int(value) for name, value in self.scope["headers"] if name == b"content-length"]
            self._body_left = lengths[0] if lengths else None
            self._framing_bytes = 0
        last = (self._tail + piece[-len(END) :])[-len(END) :]
        self._tail = b"" if last == END or (self._in_head and not was_head) else last[1:]
        if not was_head and not self._in_head and self._body_left is None:
            self._framing_bytes = 0 if self._got_data else self._framing_bytes + len(piece)
            if self._framing_bytes > MAX_HEAD_BYTES:
                self._reject(431)

    # Parser callbacks

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            self._status = 505
            raise ValueError("unsupported version of HTTP")
        if self._trusted:
            scheme, address = self._limits.proxies.read(self.headers)
            if scheme:
                self.scope["scheme"] = scheme
            if address:
                self.scope["client"] = (address, 0)
                self.client_address = address
        if not self._had_request:
            self._had_request = True
            self._limits.has_request(self)
        super().on_headers_complete()
        self._deadline = NEVER
        if self.pipeline:
            self._queued_bytes += self._head_bytes
        self.headers = []  # trailers are dropped: the application has read the headers by then
        self._in_head = False
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._got_data = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        if not self._busy:  # the response was sent before the body had arrived
            self._deadline = self.loop.time() + KEEP_ALIVE_SECONDS

    # Output

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Start the next request of the pipeline, or wait for one. Replaces uvicorn's method, which sets a timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        if not self.pipeline:
            self._queued_bytes = 0
        if self._unread:
            self._parse()
        self.flow.resume_reading()
        if self._busy or self._discarding:
            return
        if self._half_closed:
            self.transport.close()
        elif not self._in_head:
            self._deadline = self.loop.time() + LATE_BODY_SECONDS
        else:
            self._deadline = self.loop.time() + (HEAD_SECONDS if self._head_bytes else KEEP_ALIVE_SECONDS)


def _response(status: int) -> bytes:
    """Return a complete response that closes the connection."""
    title, detail = HTTPStatus(status).phrase, DETAILS[status]
    body = msgspec.json.encode(Problem(type="about:blank", title=title, status=status, detail=detail, error=detail))
    retry = "Retry-After: 5\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: {PROBLEM_JSON}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\n{retry}Connection: close\r\n\r\n"
    )
    return head.encode() + body
