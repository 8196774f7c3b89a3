"""The address of a client and the scheme of its request, as trusted reverse proxies report them.

Any client can send `X-Forwarded-For`. So the headers count only if the peer of the connection is a trusted proxy:

| Deployment | Trusted peers | The client's address |
|---|---|---|
| Cloud Run | all: only the platform's front end can connect | the last entry of `X-Forwarded-For` |
| `TRUSTED_PROXIES` is set | the listed addresses and networks | the last entry that is not itself a trusted proxy |
| neither | none | the peer |
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = Iterable[tuple[bytes, bytes]]

MAX_HOPS = 16
"""Entries of `X-Forwarded-For` that are read, from the last one: more proxies do not stand in a row."""


def parse_address(text: str) -> Address | None:
    """Return the IP address in `text`, or None. An IPv4 address in IPv6 notation becomes an IPv4 address."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks in a space-separated list of addresses and CIDR networks. Raises ValueError naming one."""
    networks = []
    for word in text.split():
        try:
            networks.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            raise ValueError(f"invalid address or network {word!r}") from None
    return tuple(networks)


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network that a household has of IPv6."""
    parsed = parse_address(address)
    if parsed is None:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


class TrustedProxies:
    """Decides which peers are proxies, and reads their headers."""

    def __init__(self, networks: Iterable[Network] = (), *, every_peer: bool = False) -> None:
        """`every_peer`: the platform lets only its own proxy connect, as Cloud Run does."""
        self._networks = tuple(networks)
        self._every_peer = every_peer

    def trusts(self, peer: str) -> bool:
        """Return True if the headers of this peer count."""
        return self._every_peer or self._is_listed(parse_address(peer))

    def _is_listed(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)

    def read(self, headers: Headers) -> tuple[str | None, str | None]:
        """Return (scheme, client address) of a request from a trusted peer, None where the proxy did not set them."""
        scheme: str | None = None
        entries: list[str] = []
        for name, value in headers:
            if name == b"x-forwarded-proto":
                text = value.decode("latin-1").strip().lower()
                scheme = text if text in ("http", "https") else None
            elif name == b"x-forwarded-for":
                entries += value.decode("latin-1").split(",")
        client: str | None = None
        for entry in reversed(entries[-MAX_HOPS:]):
            address = parse_address(entry)
            if address is None:
                break  # the entries before it come from an unknown program
            client = str(address)
            if not self._is_listed(address):
                break
        return scheme, client
