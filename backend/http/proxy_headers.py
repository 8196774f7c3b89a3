"""Who calls and how, where a platform stands in front and says so in headers of its own.

On Cloud Run `X-Forwarded-Proto` is the platform's, and so is the last entry of `X-Forwarded-For`; the entries before
it are whatever the caller sent, and uvicorn's own reading would believe the first of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
MAX_ADDRESS = 64


def behind_platform(app: App) -> App:
    """The app, told the caller's address and scheme by the platform's headers alone."""

    async def told(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scheme, address = seen_by_platform(scope["headers"])
            scope["scheme"] = scheme or scope["scheme"]
            if address:
                scope["client"] = (address, 0)
        await app(scope, receive, send)

    return told


def seen_by_platform(headers: list[tuple[bytes, bytes]]) -> tuple[str | None, str | None]:
    """(scheme, address) as the platform wrote them; None for what it did not write."""
    scheme = address = None
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name == b"x-forwarded-proto" and text in ("http", "https"):
            scheme = text
        elif name == b"x-forwarded-for":
            address = text.rpartition(",")[2].strip()[:MAX_ADDRESS] or None
    return scheme, address
