"""The `operation` decorator: the access rule of an API call, its request body and its responses.

Access is checked and bodies are decoded here only, and the OpenAPI document is generated from the decorator's
arguments, so that document and behaviour cannot differ. `create_app` rejects a resource with an undecorated
responder: access fails closed.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from falcon.asgi import Request, Response
from msgspec import Struct

from backend.auth.access import Access
from backend.http.errors import PayloadTooLarge, RequestTimeout, UnprocessableEntity
from backend.services import Services
from contract.messages import DECODE_ERRORS

MAX_JSON_BYTES = 8 * 1024 * 1024
"""Larger than any batch that a task sends."""

BODY_SECONDS = 60.0
"""Time limit of a body. A task's largest batch needs a second; a slow client must not hold memory for ever."""

Responder = Callable[..., Awaitable[None]]


class Query(Struct, frozen=True):
    """A query parameter for the OpenAPI document: its name, type and meaning."""

    name: str
    type: Any
    description: str


class Operation(Struct, frozen=True, kw_only=True):
    """One operation for the OpenAPI document.

    `responses` maps a status to a message type, to a tuple of alternative types, or to None if the body is not JSON.
    """

    summary: str
    access: Access
    responses: Mapping[int, Any]
    body: Any = None
    query: tuple[Query, ...] = ()
    media: str = "application/json"


class Resource:
    """Base class of the API's resources."""

    def __init__(self, services: Services) -> None:
        self.services = services


def operation(
    summary: str,
    *,
    access: Access,
    responses: Mapping[int, Any],
    body: Any = None,
    query: tuple[Query, ...] = (),
    media: str = "application/json",
) -> Callable[[Responder], Responder]:
    """Make an async method of a Resource a responder with access control.

    With a `body` type, the responder receives the decoded message as its argument `body`. It decodes the body itself
    if `media` contains more than JSON.
    """
    described = Operation(summary=summary, access=access, responses=responses, body=body, query=query, media=media)
    decoder = msgspec.json.Decoder(body) if body is not None and media == "application/json" else None
    public = access is Access.PUBLIC

    def wrap(responder: Responder) -> Responder:
        @functools.wraps(responder)
        async def guarded(self: Resource, req: Request, resp: Response, **params: Any) -> None:
            services = self.services
            await services.serving_state.admit(req.method, public=public)
            await services.authority.require(access, req, params.get("device_id"), services.clock())
            if decoder is not None:
                params["body"] = decode(decoder, await read_limited(req, MAX_JSON_BYTES))
            await responder(self, req, resp, **params)

        guarded.operation = described  # type: ignore[attr-defined]
        return guarded

    return wrap


async def read_limited(req: Request, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        PayloadTooLarge: It is longer than `limit` bytes.
        RequestTimeout: It did not arrive in time.
    """
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in req.stream:
                data += chunk
                if len(data) > limit:
                    raise PayloadTooLarge(f"the body is larger than {limit:,} bytes")
    except TimeoutError:
        raise RequestTimeout(f"the body did not arrive within {BODY_SECONDS:g} s") from None
    return bytes(data)


def decode(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    """Return the message in `data`. Raises UnprocessableEntity naming the wrong field."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise UnprocessableEntity(f"the body is invalid: {error}") from error
    except DECODE_ERRORS as error:
        raise UnprocessableEntity(f"the body is not JSON: {error}") from error


def send_json(resp: Response, message: Any, status: int = 200) -> None:
    """Fill `resp` with a message as JSON."""
    resp.status = status
    resp.content_type = "application/json"
    resp.data = msgspec.json.encode(message)


def query_int(req: Request, name: str, default: int, minimum: int, maximum: int) -> int:
    """Return a whole number of the query string. Raises UnprocessableEntity naming the parameter."""
    text = req.get_param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not minimum <= int(text) <= maximum:
        raise UnprocessableEntity(f"{name}: expected a whole number from {minimum} to {maximum}")
    return int(text)
