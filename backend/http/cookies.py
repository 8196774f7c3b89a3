"""Read cookies without `http.cookies`.

The parser of Falcon passes quoted values to `http.cookies`, whose time is quadratic before Python 3.11.10 and 3.12.6
(CVE-2024-7592): a value of 100 KB blocked the event loop for 6 s. Our own cookies are never quoted.
"""

from __future__ import annotations

from falcon.asgi import Request


def cookie_values(req: Request, name: str) -> list[str]:
    """Return all values of the cookie `name` as they were sent, in their order. Takes linear time."""
    values = []
    for pair in (req.get_header("Cookie") or "").split(";"):
        key, equals, value = pair.partition("=")
        if equals and key.strip() == name:
            values.append(value.strip())
    return values
