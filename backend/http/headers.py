"""Headers that every answer carries, and those that let the pages of other sites read some."""

from __future__ import annotations

from collections.abc import Collection

from falcon.asgi import Request, Response

DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # What is no page loads nothing, is framed by nobody, and runs nothing if a browser is led to it.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "no-store",
}
CORS_METHODS = "GET, HEAD, POST, PUT, DELETE, PATCH"
CORS_HEADERS = "Authorization, Content-Type"


def begin(resp: Response) -> None:
    """Set what every answer carries unless its responder says otherwise."""
    for name, value in DEFAULTS.items():
        resp.set_header(name, value)  # `set_headers` takes longer for so few


def complete(req: Request, resp: Response, origins: Collection[str]) -> None:
    """Let the pages of `origins`, those of CORS_ORIGINS, read the answer.

    Browsers are never told to send the session's cookie from there: other sites' pages come with a token, or see
    what is public.
    """
    if not origins:
        return
    resp.append_header("Vary", "Origin")
    origin = req.get_header("Origin")
    if origin is not None and origin in origins:
        resp.set_header("Access-Control-Allow-Origin", origin)
        if req.method == "OPTIONS":
            resp.set_header("Access-Control-Allow-Methods", CORS_METHODS)
            resp.set_header("Access-Control-Allow-Headers", CORS_HEADERS)
