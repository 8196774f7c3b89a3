"""The pictures themselves, for whoever has their address."""

from __future__ import annotations

from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.http.errors import NotFound
from backend.http.operations import Query, operation
from backend.services import Services
from contract import object_names
from contract.bucket.port import ObjectNotFound
from contract.messages.admin import Problem

PICTURE_LIMIT_BYTES = 64 * 1024 * 1024
IMMUTABLE = "public, max-age=31536000, immutable"
"""True for names that never change their content (RFC 8246)."""


class Picture:
    """`GET /pictures/{folder}/{file}`: the JPEG; the address carries its own permission.

    `folder` is the one of the object's name as it is, in which a device's key stands percent-encoded.
    """

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "A picture, by the address that the API gave",
        access=Access.PICTURE,
        answers={200: None, 404: Problem},
        query=(Query("s", str, "the signature of the address"),),
    )
    async def on_get(self, req: Request, resp: Response, folder: str, file: str) -> None:
        try:
            name = object_names.check(f"{object_names.PROCESSED}{folder}/{file}")
            data = await self.services.in_bucket(self.services.bucket.read, name, PICTURE_LIMIT_BYTES)
        except (ValueError, ObjectNotFound):
            raise NotFound("there is no such picture") from None
        resp.content_type = "image/jpeg"
        resp.set_header("Cache-Control", IMMUTABLE)
        resp.data = data
