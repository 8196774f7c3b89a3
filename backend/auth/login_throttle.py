"""Rate limiting for logins: exponential back-off per client network.

Networks with a previous successful login are exempt from the global limit. The state is in memory and bounded.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from backend.http.proxy_headers import network_of

FREE_ATTEMPTS = 5
"""Wrong passwords of one network before it has to wait: people mistype."""
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 900.0
RESET_SECONDS = 3600.0
"""A network's count starts again this long after its last wrong password."""
MAX_NETWORKS = 4096
GLOBAL_ATTEMPTS = 60
"""Maximum number of wrong passwords from all unknown networks in `GLOBAL_SECONDS`. Further attempts are rejected."""
GLOBAL_SECONDS = 60.0


class _Failures(Struct):
    """Wrong passwords of one network in a row; times are monotonic, in seconds."""

    count: int
    last_at: float
    blocked_until: float
    rejected: int = 0
    """Attempts that came too early and were not checked."""


class LoginThrottle:
    """Counts login attempts and says how long a client has to wait. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._trusted: OrderedDict[str, None] = OrderedDict()
        self._window_began = 0.0
        self._in_window = 0

    def seconds_to_wait(self, address: str, now: float) -> float:
        """Return the seconds until this address may try again, 0 if it may try now."""
        network = network_of(address)
        failures = self._failures.get(network)
        own = max(0.0, failures.blocked_until - now) if failures is not None else 0.0
        if network in self._trusted or self._in_window < GLOBAL_ATTEMPTS:
            return own
        return max(own, self._window_began + GLOBAL_SECONDS - now)

    def record_rejection(self, address: str) -> None:
        """Count an attempt that was not checked, because the client has to wait."""
        if (failures := self._failures.get(network_of(address))) is not None:
            failures.rejected += 1

    def failures(self, address: str) -> tuple[int, int]:
        """Return the wrong passwords of this address's network in a row, and its attempts that were not checked."""
        failures = self._failures.get(network_of(address))
        return (failures.count, failures.rejected) if failures is not None else (0, 0)

    def record_attempt(self, address: str, now: float) -> None:
        """Count an attempt as wrong until `record_success`, so that a hundred concurrent ones count as a hundred."""
        network = network_of(address)
        failures = self._failures.pop(network, None)
        if failures is None or now - failures.last_at > RESET_SECONDS:
            failures = _Failures(count=0, last_at=now, blocked_until=now)
        failures.count, failures.last_at = failures.count + 1, now
        if failures.count >= FREE_ATTEMPTS:
            doublings = min(failures.count - FREE_ATTEMPTS, 20)
            failures.blocked_until = now + min(FIRST_WAIT_SECONDS * 2**doublings, MAX_WAIT_SECONDS)
        self._failures[network] = failures
        while len(self._failures) > MAX_NETWORKS:
            self._failures.popitem(last=False)
        if now - self._window_began >= GLOBAL_SECONDS:
            self._window_began, self._in_window = now, 0
        self._in_window += network not in self._trusted

    def record_success(self, address: str) -> None:
        """Clear the count of this address's network and exempt it from the global limit."""
        network = network_of(address)
        self._failures.pop(network, None)
        self._trusted.pop(network, None)
        self._trusted[network] = None
        while len(self._trusted) > MAX_NETWORKS:
            self._trusted.popitem(last=False)
