"""The login page: it says where to find the password, and redirects to the requested page after the login."""

from __future__ import annotations

from falcon.asgi import Request, Response

from backend.api.session import LoginResource, LogoutEverywhere, LogoutResource
from backend.auth.access import Access
from backend.database import key_value, sessions
from backend.embedded import load_secrets
from backend.pages.access import accepts_html, page, redirect, safe_path
from backend.pages.base import Site


class LoginPage(LoginResource):
    """`/login`: GET shows the page; POST opens a session, for browsers and programs alike."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.services)
        self.site = site
        settings = site.services.settings
        self._generated = (
            settings.embedded and load_secrets(settings.data_folder).admin_password == settings.admin_password
        )

    @page(access=Access.PUBLIC)
    async def on_get(self, req: Request, resp: Response) -> None:
        await self._send_page(req, resp, req.get_param("next"), "")

    async def send_accepted(self, req: Request, resp: Response, next_path: str | None) -> None:
        """Redirect a browser to the requested page; see LoginResource for programs."""
        if accepts_html(req):
            redirect(resp, safe_path(next_path))
        else:
            await super().send_accepted(req, resp, next_path)

    async def send_rejected(self, req: Request, resp: Response, next_path: str | None, reason: str) -> None:
        """Show a browser the page again with the reason; see LoginResource for programs."""
        if not accepts_html(req):
            await super().send_rejected(req, resp, next_path, reason)
        await self._send_page(req, resp, next_path, f"{reason[:1].upper()}{reason[1:]}.")
        resp.status = 403

    async def _send_page(self, req: Request, resp: Response, next_path: str | None, error: str) -> None:
        first_login = await self.services.database.read(key_value.get, sessions.FIRST_LOGIN)
        await self.site.send_page(
            req,
            resp,
            "login.html",
            logged_in=False,
            next=safe_path(next_path),
            error=error,
            first_start=first_login is None,
            generated=self._generated,
        )


class LogoutEverywherePage(LogoutEverywhere):
    """`POST /logout/everywhere`: redirects a browser to the login page."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.services)

    async def send_ended(self, req: Request, resp: Response, ended: int) -> None:
        """Redirect a browser; see LogoutEverywhere for programs."""
        if accepts_html(req):
            redirect(resp, "/login")
        else:
            await super().send_ended(req, resp, ended)


class LogoutPage(LogoutResource):
    """`POST /logout`: redirects a browser to the login page."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.services)

    async def send_logged_out(self, req: Request, resp: Response) -> None:
        """Redirect a browser; see LogoutResource for programs."""
        if accepts_html(req):
            redirect(resp, "/login")
        else:
            await super().send_logged_out(req, resp)
