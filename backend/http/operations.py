"""An operation of the API: who may call it, what it reads, what it answers.

The decorator is the only place where access is checked and bodies are read, and the OpenAPI
document is generated from what it was given, so that the two cannot differ. `create_app` refuses
a resource with a responder that lacks it: access fails closed.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from falcon.asgi import Request, Response
from msgspec import Struct

from backend.auth.access import Access
from backend.http.errors import PayloadTooLarge, RequestTimeout, UnprocessableEntity
from backend.services import Services
from contract.decoding import DECODE_ERRORS

JSON_LIMIT_BYTES = 8 * 1024 * 1024
"""Larger than any batch that a task sends; more is not read."""

BODY_SECONDS = 60.0
"""A task's largest batch needs a second; whoever sends a byte now and then does not hold memory for ever."""

Responder = Callable[..., Awaitable[None]]


class Query(Struct, frozen=True):
    """A query parameter for the document: its name, type and meaning."""

    name: str
    type: Any
    description: str


class Operation(Struct, frozen=True, kw_only=True):
    """What the document says of one operation; `answers` maps statuses to a type, several, or None for no JSON."""

    summary: str
    access: Access
    answers: Mapping[int, Any]
    body: Any = None
    query: tuple[Query, ...] = ()
    media: str = "application/json"


class Resource(Protocol):
    """What a responder's class has."""

    services: Services


def operation(
    summary: str,
    *,
    access: Access,
    answers: Mapping[int, Any],
    body: Any = None,
    query: tuple[Query, ...] = (),
    media: str = "application/json",
) -> Callable[[Responder], Responder]:
    """Make an async method a guarded responder. With `body`, it gets the decoded message as `body`."""
    described = Operation(summary=summary, access=access, answers=answers, body=body, query=query, media=media)
    decoder = msgspec.json.Decoder(body) if body is not None and media == "application/json" else None

    def wrap(responder: Responder) -> Responder:
        @functools.wraps(responder)
        async def guarded(self: Resource, req: Request, resp: Response, **params: Any) -> None:
            services = self.services
            await services.serving_state.admit(req.method, public=access is Access.PUBLIC)
            await services.authority.require(access, req, params.get("device_id"), services.clock())
            if decoder is not None:
                params["body"] = decode(decoder, await read_limited(req, JSON_LIMIT_BYTES))
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
    """The message in `data`. Raises Invalid naming the field."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise UnprocessableEntity(f"the body does not fit: {error}") from error
    except DECODE_ERRORS as error:
        raise UnprocessableEntity(f"the body is not JSON: {error}") from error


def answer(resp: Response, message: Any, status: int = 200) -> None:
    """Answer with a message as JSON."""
    resp.status = status
    resp.content_type = "application/json"
    resp.data = msgspec.json.encode(message)


def query_int(req: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises Invalid naming it."""
    text = req.get_param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not least <= int(text) <= most:
        raise UnprocessableEntity(f"{name}: expected a whole number from {least} to {most}")
    return int(text)
