"""Login and logout."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

import msgspec
from falcon.asgi import Request, Response

from backend.auth.access import COOKIE, Access, refuse_foreign
from backend.http.errors import Forbidden, UnprocessableEntity
from backend.http.operations import JSON_LIMIT_BYTES, answer, decode, operation, read_limited
from backend.services import Services
from contract.messages.admin import Login, Problem
from contract.messages.processing import Success

_LOGIN = msgspec.json.Decoder(Login)
WRONG_PASSWORD_SECONDS = 0.5
"""A wrong password is answered this late, which slows guessing and bothers nobody else."""


class LoginResource:
    """`POST /login`, with JSON or a form."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "Log in; sets the cookie session_id",
        access=Access.PUBLIC,
        media="application/json or application/x-www-form-urlencoded",
        answers={200: Success, 403: Problem, 413: Problem, 422: Problem, 429: Problem},
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        refuse_foreign(req)
        data = await read_limited(req, min(JSON_LIMIT_BYTES, 16_384))
        place: str | None = None
        if (req.content_type or "").startswith("application/x-www-form-urlencoded"):
            fields = parse_qs(data.decode("utf-8", "replace"), max_num_fields=10)
            password = fields.get("password", [""])[0]
            place = fields.get("next", [""])[0]
            if not password:
                raise UnprocessableEntity("password: the form lacks it")
        else:
            password = decode(_LOGIN, data).password
        session = await self.services.authority.log_in(password, req.remote_addr or "", self.services.clock())
        if session is None:
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
            await self.rejected(req, resp, place, "the password is wrong")
            return
        resp.set_cookie(
            COOKIE,
            session,
            max_age=int(self.services.authority.session_seconds),
            http_only=True,
            same_site="Strict",
            path="/",
            secure=req.scheme == "https",  # as the platform's header says it, where there is a platform
        )
        await self.accepted(req, resp, place)

    async def accepted(self, req: Request, resp: Response, place: str | None) -> None:
        """Answer a login; `place` is where a form wanted to go next."""
        answer(resp, Success())

    async def rejected(self, req: Request, resp: Response, place: str | None, reason: str) -> None:
        """Answer a login that failed. Raises Forbidden."""
        raise Forbidden(reason)


class LogoutResource:
    """`POST /logout`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("Log out", access=Access.PUBLIC, answers={200: Success})
    async def on_post(self, req: Request, resp: Response) -> None:
        refuse_foreign(req)
        await self.services.authority.log_out(req)
        resp.unset_cookie(COOKIE, path="/")
        await self.left(req, resp)

    async def left(self, req: Request, resp: Response) -> None:
        """Answer a logout."""
        answer(resp, Success())
