"""Who may see a page. The twin of `operations.operation`: what a page refuses, it refuses as a page.

Whoever has not logged in is led to the login and back. `create_app` refuses a responder that is guarded by neither.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import quote

from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.http.errors import HttpProblem, Unauthorized
from backend.services import Services

Responder = Callable[..., Awaitable[None]]


class Home(Protocol):
    """What shows a refusal as a page."""

    services: Services

    async def refuse(self, req: Request, resp: Response, error: HttpProblem) -> None:
        """Answer with a page that says why there is no other."""
        ...


class Guarded(Protocol):
    """What a responder's class has."""

    site: Home


PAGE_ACCESS = (Access.PUBLIC, Access.ADMIN)


def page(*, access: Access) -> Callable[[Responder], Responder]:
    """Make an async method the responder of a page, for everybody or for who has logged in.

    Raises ValueError for another kind of access.
    """
    if access not in PAGE_ACCESS:
        raise ValueError(f"a page is for anyone or for an admin's session, not for {access.value}")

    def wrap(responder: Responder) -> Responder:
        @functools.wraps(responder)
        async def guarded(self: Guarded, req: Request, resp: Response, **params: Any) -> None:
            services = self.site.services
            try:
                await services.serving_state.admit(req.method, public=access is Access.PUBLIC)
                await services.authority.require(access, req, None, services.clock())
                await responder(self, req, resp, **params)
            except HttpProblem as error:
                if not wants_page(req):
                    raise
                if isinstance(error, Unauthorized):
                    redirect(resp, f"/login?next={quote(req.relative_uri, safe='')}")
                else:
                    await self.site.refuse(req, resp, error)

        guarded.is_page = True  # type: ignore[attr-defined]
        return guarded

    return wrap


def wants_page(req: Request) -> bool:
    """Whether a browser asks for something to show, and not a program for data."""
    return "text/html" in (req.get_header("Accept") or "")


def redirect(resp: Response, place: str) -> None:
    """Answer with another place, to be fetched with GET."""
    resp.status = 303
    resp.set_header("Location", place)


def safe_place(wanted: str | None) -> str:
    """A path of this site to go to after the login; `/` for anything else, such as another site's address."""
    if not wanted or not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable():
        return "/"
    return wanted
