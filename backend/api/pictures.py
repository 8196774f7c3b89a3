"""The rendered pictures, for anybody who has a signed address."""

from __future__ import annotations

import asyncio
import hashlib

from falcon import HTTP_304
from falcon.asgi import Request, Response

from backend.api.operations import Query, Resource, operation
from backend.auth.access import Access
from backend.database import devices
from backend.http.errors import NotFound
from contract import object_names
from contract.bucket.port import ObjectNotFound
from contract.messages.admin import Problem
from contract.panel_files import preview
from contract.panels import CONTENT_TYPES

MAX_PICTURE_BYTES = 64 * 1024 * 1024
IMMUTABLE = "public, max-age=31536000, immutable"
"""Cache header for objects whose content never changes (RFC 8246)."""
PRIVATE_IMMUTABLE = "private, max-age=31536000, immutable"
"""The same for an address without a signature: a shared cache must not answer it to clients without the session."""


class Picture(Resource):
    """`GET /pictures/{folder}/{file}`: a variant, permitted by the signature in its address.

    `folder` is the folder of the object name: the device key, percent-encoded.
    The legacy system overwrites its pictures, so a client has to revalidate such an address by its ETag.
    """

    @operation(
        "Get a picture by the address that the API returned",
        access=Access.PICTURE,
        responses={200: None, 304: None, 404: Problem, 503: Problem},
        query=(
            Query("s", str, "signature of the address"),
            Query("palette", str, "measured: as an e-paper panel looks, in a format that browsers show"),
        ),
    )
    async def on_get(self, req: Request, resp: Response, folder: str, file: str) -> None:
        self.services.connections.require_room(0, req.remote_addr)  # before it takes memory
        try:
            name = object_names.check(f"{object_names.PROCESSED}{folder}/{file}")
            data = await self.services.in_bucket(self.services.bucket.read, name, MAX_PICTURE_BYTES)
        except (ValueError, ObjectNotFound):
            raise NotFound("there is no picture at this address") from None
        self.services.connections.require_room(len(data), req.remote_addr)
        resp.content_type = object_names.content_type(name)
        if req.get_param("palette") == "measured":
            shown = await self._as_the_panel_looks(name, data)
            if shown is not None:
                data, extension = shown
                resp.content_type = CONTENT_TYPES[extension]
                resp.set_header("Cache-Control", "private, no-cache")
                if not send_unless_cached(req, resp, hashlib.sha256(data).hexdigest()[:32]):
                    resp.data = data
                return
        if not object_names.is_immutable_variant(name):
            resp.set_header("Cache-Control", "no-cache" if req.context.signed else "private, no-cache")
            if send_unless_cached(req, resp, hashlib.sha256(data).hexdigest()[:32]):
                return
        else:
            resp.set_header("Cache-Control", IMMUTABLE if req.context.signed else PRIVATE_IMMUTABLE)
        resp.data = data

    async def _as_the_panel_looks(self, name: str, data: bytes) -> tuple[bytes, str] | None:
        """Return the preview of an e-paper variant and its extension; None for JPEG and for variants of other settings.

        A variant is replaced some time after the settings of its device have changed.
        """
        owner = object_names.device_of_variant(name)
        rows = await self.services.database.read(devices.read_all)
        for device in rows:
            if owner is not None and device.key == owner[0] and device.panel is not None:
                try:
                    return await asyncio.to_thread(preview, data, device.panel, device.width, device.height)
                except ValueError:
                    return None
        return None


def send_unless_cached(req: Request, resp: Response, version: str) -> bool:
    """Set the ETag; answer 304 and return True if the client has this version (RFC 9110, section 13.1.2)."""
    resp.etag = version
    if any(etag == "*" or etag == version for etag in req.if_none_match or ()):
        resp.status = HTTP_304
        return True
    return False
