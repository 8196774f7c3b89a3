"""The login page: it says where the password is, and leads to where one wanted to go."""

from __future__ import annotations

from falcon.asgi import Request, Response

from backend.api.session import LoginResource, LogoutResource
from backend.auth.access import Access
from backend.database import sessions_and_locks
from backend.embedded import load_secrets
from backend.pages.access import page, redirect, safe_place, wants_page
from backend.pages.base import Site


class LoginPage(LoginResource):
    """`/login`: the page with GET; with POST the session, for browsers and programs alike."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.services)
        self.site = site
        settings = site.services.settings
        self._made_here = (
            settings.embedded and load_secrets(settings.data_folder).admin_password == settings.admin_password
        )

    @page(access=Access.PUBLIC)
    async def on_get(self, req: Request, resp: Response) -> None:
        await self._show(req, resp, req.get_param("next"), "")

    async def accepted(self, req: Request, resp: Response, place: str | None) -> None:
        """A browser is led on; see LoginResource for others."""
        if wants_page(req):
            redirect(resp, safe_place(place))
        else:
            await super().accepted(req, resp, place)

    async def rejected(self, req: Request, resp: Response, place: str | None, reason: str) -> None:
        """A browser sees the page again with the reason; see LoginResource for others."""
        if not wants_page(req):
            await super().rejected(req, resp, place, reason)
        await self._show(req, resp, place, f"{reason[:1].upper()}{reason[1:]}.")
        resp.status = 403

    async def _show(self, req: Request, resp: Response, place: str | None, refused: str) -> None:
        known = await self.services.database.read(sessions_and_locks.get_fact, sessions_and_locks.FIRST_LOGIN)
        await self.site.show(
            req,
            resp,
            "login.html",
            inside=False,
            next=safe_place(place),
            refused=refused,
            first_start=known is None,
            made_here=self._made_here,
        )


class LogoutPage(LogoutResource):
    """`POST /logout`: a browser is led to the login."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.services)

    async def left(self, req: Request, resp: Response) -> None:
        """See LogoutResource for other callers."""
        if wants_page(req):
            redirect(resp, "/login")
        else:
            await super().left(req, resp)
