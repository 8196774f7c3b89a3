"""How often a password may be tried: who guesses waits longer each time, and who has logged in before does not wait.

Pure but for its own memory, which is bounded. An address is that of the caller, of IPv6 its network of 64 bits.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from msgspec import Struct

FREE_TRIES = 5
"""Wrong passwords of one address before it has to wait: people mistype."""
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 900.0
FORGOTTEN_SECONDS = 3600.0
"""So long after its last wrong password an address begins anew."""
MAX_ADDRESSES = 4096
ALL_TRIES = 60
"""Wrong passwords of all strange addresses together in `ALL_SECONDS`; then none of these may try for a while."""
ALL_SECONDS = 60.0


class _Failures(Struct):
    """Of one address: how many in a row, when the last was, and until when it waits."""

    number: int
    at: float
    until: float


class LoginThrottle:
    """Asked before a password is looked at, told that it is, and told if it was right. Times are monotonic."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._trusted: OrderedDict[str, None] = OrderedDict()
        self._window_began = 0.0
        self._in_window = 0

    def wait(self, address: str, now: float) -> float:
        """The seconds until this address may try again; 0: now."""
        place = network_of(address)
        known = self._failures.get(place)
        own = max(0.0, known.until - now) if known is not None else 0.0
        if place in self._trusted or self._in_window < ALL_TRIES:
            return own
        return max(own, self._window_began + ALL_SECONDS - now)

    def tries(self, address: str, now: float) -> None:
        """Note a try, which counts as wrong until it turns out right: a hundred at once are a hundred tries."""
        place = network_of(address)
        known = self._failures.pop(place, None)
        if known is None or now - known.at > FORGOTTEN_SECONDS:
            known = _Failures(number=0, at=now, until=now)
        known.number, known.at = known.number + 1, now
        if known.number >= FREE_TRIES:
            doublings = min(known.number - FREE_TRIES, 20)
            known.until = now + min(FIRST_WAIT_SECONDS * 2**doublings, MAX_WAIT_SECONDS)
        self._failures[place] = known
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        if now - self._window_began >= ALL_SECONDS:
            self._window_began, self._in_window = now, 0
        self._in_window += place not in self._trusted

    def succeeded(self, address: str) -> None:
        """Note that the password was right: this address is no guesser."""
        place = network_of(address)
        self._failures.pop(place, None)
        self._trusted.pop(place, None)
        self._trusted[place] = None
        while len(self._trusted) > MAX_ADDRESSES:
            self._trusted.popitem(last=False)


def network_of(address: str) -> str:
    """What is taken for one caller: an IPv4 address, or the 64 bits of IPv6 that one house has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
