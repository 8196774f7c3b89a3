"""Limits of the HTTP server: connections, time, and bytes under way.

They hold for clients without credentials, so that one of them can neither fill the memory nor lock out the others.
`backend.http.server` enforces them for each connection; `Connections` contains what concerns all of them together.

| What | Limit | What happens |
|---|---|---|
| request head, and trailers of a chunked body | `MAX_HEAD_BYTES` | 431 |
| time to a complete head | `HEAD_SECONDS` | 408; a plain close if no byte arrived |
| idle time between requests | `KEEP_ALIVE_SECONDS` | close |
| time to a complete body once the response is sent | `LATE_BODY_SECONDS` | close |
| pipelined requests | `MAX_PIPELINED`, `MAX_HEAD_BYTES` of heads | reading stops until responses are sent |
| connections of one address | CONNECTIONS_PER_ADDRESS | its oldest connection without a request is closed, else 503 |
| connections in total | `max_connections` | the same, of any address |
| progress of a client that reads a response | `MIN_PROGRESS_BYTES` in `WRITE_SECONDS` | close |
| pictures that clients have not read yet | `MAX_UNSENT_BYTES`, half of it for one address | 503 with `Retry-After` |
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter, OrderedDict
from typing import Protocol

from backend.http.errors import ServiceUnavailable
from backend.http.proxy_headers import TrustedProxies, network_of

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 65_536
"""Browsers limit a URL and a cookie to about 8 KB; nginx accepts 32 KB, Apache httpd 8 KB a line."""
HEAD_SECONDS = 10.0
"""A head is one packet. Slow clients lose a packet or two, which TCP sends again within 3 s."""
KEEP_ALIVE_SECONDS = 5.0
LATE_BODY_SECONDS = 10.0
"""A client that got its response early, such as 401, must stop sending its body."""
LINGER_SECONDS = 1.0
LINGER_BYTES = 1_048_576
"""After an early 4xx the input is dropped up to this time and size: closing at once could destroy the response."""
MAX_PIPELINED = 32
WRITE_SECONDS = 30.0
MIN_PROGRESS_BYTES = 131_072
"""Together 4.4 KB a second, a tenth of what a microcontroller reads over a bad radio link."""
CONNECTIONS_PER_ADDRESS = 100
"""A browser opens at most 6, the processor up to 20. A household behind one address shares them."""
MAX_CONNECTIONS = 1000
"""A connection costs about 10 KB, and up to 64 KB with a head under way."""
RESERVED_FILES = 128
"""Files that the process opens besides connections: the database, the bucket, and pipes of local tasks."""
MAX_UNSENT_BYTES = 64 * 1024 * 1024
"""An eighth of a Cloud Run instance with 512 MiB. A picture of 1920 x 1080 has about 0.5 MB."""
MAX_PEERS = 4096
"""Addresses whose network is cached."""
SWEEP_SECONDS = 0.5
REPORT_SECONDS = 60.0


class Connection(Protocol):
    """A connection as `Connections` sees it."""

    peer: str | None
    """The network that the limit per address counts; None for a trusted proxy."""
    client_address: str
    """The client of the latest request, which may be behind a proxy."""

    @property
    def idle_since(self) -> float | None:
        """The event loop's time since which it waits for a request, None if it has one."""

    def unsent(self) -> int:
        """Return the bytes that the client has not taken yet."""

    def drop(self) -> None:
        """Close the connection, which has no request under way."""

    def check(self, now: float) -> None:
        """End the connection if one of its times has passed."""


def max_connections() -> int:
    """Return the limit of all connections: `MAX_CONNECTIONS`, and below the limit of open files."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - min(RESERVED_FILES, files // 2)))


class _Group:
    """Connections that share a limit: those of one address, or all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.members: set[Connection] = set()
        self.silent: OrderedDict[Connection, None] = OrderedDict()
        """Members that never had a request, in the order of their arrival."""

    def victim(self) -> Connection | None:
        """Return the connection to close if the group is full: silent ones first, then the one that is idle longest."""
        if self.silent:
            return next(iter(self.silent))
        idle = [member for member in self.members if member.idle_since is not None]
        return min(idle, key=lambda member: member.idle_since or 0.0, default=None)

    def add(self, connection: Connection) -> None:
        self.members.add(connection)
        self.silent[connection] = None

    def remove(self, connection: Connection) -> None:
        self.members.discard(connection)
        self.silent.pop(connection, None)


class Connections:
    """All open connections of the server."""

    def __init__(
        self,
        proxies: TrustedProxies | None = None,
        *,
        per_address: int = CONNECTIONS_PER_ADDRESS,
        total: int | None = None,
    ) -> None:
        """`per_address`: 0 for no limit. `total`: `max_connections()` by default."""
        self.proxies = proxies or TrustedProxies()
        self._all = _Group(total or max_connections())
        self._per_address = per_address or self._all.limit
        self._by_peer: dict[str, _Group] = {}
        self._peers: dict[str, str | None] = {}
        self._waiting: set[Connection] = set()
        self._sweeping = False
        self._ended: Counter[str] = Counter()
        self._last_address = ""
        self._reported_at = -REPORT_SECONDS

    def __len__(self) -> int:
        return len(self._all.members)

    def peer_of(self, address: str) -> str | None:
        """Return the network whose connections are counted together, None for a trusted proxy, which has no limit."""
        if address not in self._peers:  # parsing an address takes a tenth of the time of accepting a connection
            if len(self._peers) >= MAX_PEERS:
                self._peers.clear()
            self._peers[address] = None if self.proxies.trusts(address) else network_of(address)
        return self._peers[address]

    def admit(self, connection: Connection) -> bool:
        """Count a new connection. Return False if there is no place for it, and no idle one to close instead."""
        groups = [self._all]
        if connection.peer is not None:
            group = self._by_peer.get(connection.peer)
            if group is None:
                group = self._by_peer[connection.peer] = _Group(self._per_address)
            groups.insert(0, group)
        for group in groups:
            if len(group.members) >= group.limit:
                victim = group.victim()
                if victim is None:
                    self._forget_empty(connection.peer)
                    return False
                self.record("evicted", victim)
                self.remove(victim)
                victim.drop()
                if connection.peer is not None:  # it may have been the last one of this address
                    self._by_peer.setdefault(connection.peer, groups[0])
        for group in groups:
            group.add(connection)
        self._start_sweeping()
        return True

    def _forget_empty(self, peer: str | None) -> None:
        if peer is not None and peer in self._by_peer and not self._by_peer[peer].members:
            del self._by_peer[peer]

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection that ends."""
        self._all.remove(connection)
        self._waiting.discard(connection)
        if connection.peer is not None and (group := self._by_peer.get(connection.peer)) is not None:
            group.remove(connection)
            self._forget_empty(connection.peer)

    def has_request(self, connection: Connection) -> None:
        """Record that the first head of a connection is complete."""
        self._all.silent.pop(connection, None)
        if connection.peer is not None and (group := self._by_peer.get(connection.peer)) is not None:
            group.silent.pop(connection, None)

    def reads_slowly(self, connection: Connection) -> None:
        """Record that a client does not take its response as fast as it is written."""
        self._waiting.add(connection)

    def reads_again(self, connection: Connection) -> None:
        """Record that a client has taken its response."""
        self._waiting.discard(connection)

    def require_room(self, size: int, address: str) -> None:
        """Return if a response of `size` bytes may be sent to the client at `address`. Raises ServiceUnavailable.

        One large response is always possible, otherwise it would never be.
        """
        total = own = 0
        for connection in self._waiting:
            unsent = connection.unsent()
            total += unsent
            if connection.client_address == address:
                own += unsent
        if (total and total + size > MAX_UNSENT_BYTES) or (own and own + size > MAX_UNSENT_BYTES // 2):
            raise ServiceUnavailable("too many pictures are being sent to slow clients; try again in a few seconds")

    def record(self, reason: str, connection: Connection) -> None:
        """Count a connection that a limit ended. The log gets one line a minute, however many there are."""
        self._ended[reason] += 1
        self._last_address = connection.client_address

    def _start_sweeping(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            loop = asyncio.get_running_loop()
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the times of all connections. One timer for all is cheaper than one for each request."""
        now = loop.time()
        for connection in list(self._all.members):
            connection.check(now)
        if self._ended and now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            counts = ", ".join(f"{reason} {number}" for reason, number in sorted(self._ended.items()))
            self._ended.clear()
            log.warning("limits ended connections: %s (the last of %s)", counts, self._last_address)
        self._sweeping = bool(self._all.members)
        if self._sweeping:
            loop.call_later(SWEEP_SECONDS, self._sweep, loop)
