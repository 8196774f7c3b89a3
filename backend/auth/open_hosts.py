"""The names under which a backend without frame tokens may be addressed (`DEVICE_AUTH=open`).

Without tokens, a web page on the internet could read the pictures through the browser of somebody in the house: it
points a name of its own at this server's address (DNS rebinding), and its requests then count as same-origin. Such a
request still has the attacker's name in `Host`. Names that an attacker cannot point here are accepted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from backend.http.errors import Forbidden, MisdirectedRequest

LOCAL_SUFFIXES = (".local", ".localhost")
"""Resolved by multicast DNS (RFC 6762) and by the machine itself (RFC 6761): never by a server of the internet."""


class OpenHosts:
    """Decides which `Host` headers are accepted."""

    def __init__(
        self,
        allowed_hosts: Iterable[str] = (),
        *,
        public_url: str = "",
        service: str = "",
        origins: Collection[str] = (),
    ) -> None:
        """Create the rule.

        Args:
            allowed_hosts: Further names (ALLOWED_HOSTS), without a port.
            public_url: The address that people use (PUBLIC_URL), or "".
            service: Name of the Cloud Run service (K_SERVICE), or "".
            origins: Origins whose pages may send requests (CORS_ORIGINS).
        """
        names = {*allowed_hosts, urlsplit(public_url).hostname or ""}
        self._names = {name.lower().rstrip(".") for name in names if name}
        self._service = service.lower()
        self._origins = frozenset(origins)

    def require(self, host: str | None, fetch_site: str | None, origin: str | None = None) -> None:
        """Return if a request with these headers may be answered without a token.

        Args:
            host: The `Host` header.
            fetch_site: The `Sec-Fetch-Site` header, which browsers send and pages cannot change.
            origin: The `Origin` header, for which the same holds.

        Raises:
            Forbidden: The page of another site sent the request.
            MisdirectedRequest: The name is not one of this server.
        """
        if fetch_site not in (None, "same-origin", "none") and origin not in self._origins:
            raise Forbidden("cross-site request rejected: frames and this site's own pages may send it")
        if not self.accepts(host or ""):
            raise MisdirectedRequest(
                f"this server is not known as {(host or '')[:100]!r}; use its IP address, or add the name to "
                "ALLOWED_HOSTS"
            )

    def accepts(self, host: str) -> bool:
        """Return True for a `Host` header that no attacker can point at this server."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
        except ValueError:
            return False
        if not name or "@" in host or "/" in host:
            return False
        if name in self._names or ("." not in name and ":" not in name) or name.endswith(LOCAL_SUFFIXES):
            return True
        if self._service and name.startswith(f"{self._service}-") and name.endswith(".run.app"):
            return True
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True
