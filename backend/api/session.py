"""Login and logout."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qs

import msgspec
from falcon.asgi import Request, Response

from backend.api.operations import Resource, decode, operation, read_limited, send_json
from backend.auth.access import COOKIE, Access
from backend.database import sessions
from backend.http.errors import Forbidden, UnprocessableEntity
from contract.messages.admin import Login, Problem, SessionsEnded
from contract.messages.processing import Success

log = logging.getLogger(__name__)

_LOGIN = msgspec.json.Decoder(Login)
MAX_LOGIN_BYTES = 16_384
MAX_LOGIN_FIELDS = 10
WRONG_PASSWORD_SECONDS = 0.5
"""Delay of the response to a wrong password, which slows guessing down and affects no other request."""


class LoginResource(Resource):
    """`POST /login`, with JSON or a form."""

    @operation(
        "Log in, and set the cookie session_id; a form with the field password is accepted as well",
        access=Access.PUBLIC,
        body=Login,
        media="application/json or application/x-www-form-urlencoded",
        responses={200: Success, 403: Problem, 413: Problem, 422: Problem, 429: Problem},
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        self.services.authority.reject_cross_site(req)
        data = await read_limited(req, MAX_LOGIN_BYTES)
        next_path: str | None = None
        if (req.content_type or "").startswith("application/x-www-form-urlencoded"):
            try:
                fields = parse_qs(data.decode("utf-8", "replace"), max_num_fields=MAX_LOGIN_FIELDS)
            except ValueError:
                raise UnprocessableEntity(f"the form has more than {MAX_LOGIN_FIELDS} fields") from None
            password = fields.get("password", [""])[0]
            next_path = fields.get("next", [""])[0]
            if not password:
                raise UnprocessableEntity("password: missing from the form")
        else:
            password = decode(_LOGIN, data).password
        session = await self.services.authority.log_in(password, req.remote_addr or "", self.services.clock())
        if session is None:
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
            await self.send_rejected(req, resp, next_path, "the password is wrong")
            return
        resp.set_cookie(
            COOKIE,
            session,
            max_age=int(self.services.authority.session_seconds),
            http_only=True,
            same_site="Strict",
            path="/",
            secure=req.scheme == "https" or self.services.settings.public_url.startswith("https:"),
        )
        await self.send_accepted(req, resp, next_path)

    async def send_accepted(self, req: Request, resp: Response, next_path: str | None) -> None:
        """Answer a successful login; `next_path` is the page that a form asks for."""
        send_json(resp, Success())

    async def send_rejected(self, req: Request, resp: Response, next_path: str | None, reason: str) -> None:
        """Answer a failed login. Raises Forbidden."""
        raise Forbidden(reason)


class LogoutEverywhere(Resource):
    """`POST /logout/everywhere`."""

    @operation("End the logins of all browsers and programs", access=Access.ADMIN, responses={200: SessionsEnded})
    async def on_post(self, req: Request, resp: Response) -> None:
        services = self.services
        ended = await services.database.write(sessions.delete_all_sessions)
        if services.snapshots is not None:  # without it, a restart would restore the sessions from the last snapshot
            await services.snapshots.take()
        log.warning("logged out everywhere: ended %d sessions", ended)
        resp.unset_cookie(COOKIE, path="/")
        await self.send_ended(req, resp, ended)

    async def send_ended(self, req: Request, resp: Response, ended: int) -> None:
        """Answer the request."""
        send_json(resp, SessionsEnded(ended=ended))


class LogoutResource(Resource):
    """`POST /logout`."""

    @operation("Log out", access=Access.PUBLIC, responses={200: Success})
    async def on_post(self, req: Request, resp: Response) -> None:
        self.services.authority.reject_cross_site(req)
        await self.services.authority.log_out(req)
        resp.unset_cookie(COOKIE, path="/")
        await self.send_logged_out(req, resp)

    async def send_logged_out(self, req: Request, resp: Response) -> None:
        """Answer a logout."""
        send_json(resp, Success())
