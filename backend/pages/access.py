"""Access control for HTML pages: errors become pages, and a missing login redirects to the login page.

Counterpart of `backend.api.operations`. `create_app` rejects a responder that has neither decorator.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.http.errors import HttpProblem, Unauthorized
from backend.pages.base import PageResource

Responder = Callable[..., Awaitable[None]]
PAGE_ACCESS = (Access.PUBLIC, Access.ADMIN)


def page(*, access: Access) -> Callable[[Responder], Responder]:
    """Make an async method the responder of a page. Raises ValueError for an access rule that pages do not have."""
    if access not in PAGE_ACCESS:
        raise ValueError(f"a page is public or requires an admin's session; it cannot require {access.value}")

    def wrap(responder: Responder) -> Responder:
        @functools.wraps(responder)
        async def guarded(self: PageResource, req: Request, resp: Response, **params: Any) -> None:
            services = self.site.services
            try:
                await services.serving_state.admit(req.method, public=access is Access.PUBLIC)
                await services.authority.require(access, req, None, services.clock())
                await responder(self, req, resp, **params)
            except HttpProblem as error:
                if not accepts_html(req):
                    raise
                if isinstance(error, Unauthorized):
                    redirect(resp, f"/login?next={quote(req.relative_uri, safe='')}")
                else:
                    await self.site.send_error(req, resp, error)

        guarded.is_page = True  # type: ignore[attr-defined]
        return guarded

    return wrap


def accepts_html(req: Request) -> bool:
    """Return whether a browser requests a page, and not a program data."""
    return "text/html" in (req.get_header("Accept") or "")


_URL_CHARACTERS = "/?&=%:@!$'()*+,;~#[]-._"
"""Characters of a path and query that are not encoded again (RFC 3986, section 2.2). `%` begins an encoded one."""


def redirect(resp: Response, path: str) -> None:
    """Redirect to `path`, to be fetched with GET. Characters that a header cannot contain are percent-encoded."""
    resp.status = 303
    resp.set_header("Location", quote(path, safe=_URL_CHARACTERS))


def safe_path(path: str | None) -> str:
    """Return a path of this site to open after the login: `path`, or `/` if it could lead to another site."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path
