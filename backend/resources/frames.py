"""What frames ask: what to show, in which order, and the pictures themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import sqlalchemy as sa
from falcon.asgi import Request, Response

from backend.auth import Access
from backend.database import devices
from backend.errors import NotFound
from backend.operations import Query, answer, operation, query_int
from backend.playlist.order import position_after, shuffled
from backend.resources.devices import known_device
from backend.services import Services
from contract import object_names
from contract.admin_messages import Problem
from contract.bucket import ObjectNotFound, name_in
from contract.frame_messages import QueueEntry, Slideshow
from contract.messages import Palette

PICTURE_LIMIT_BYTES = 64 * 1024 * 1024
IMMUTABLE = "public, max-age=31536000, immutable"
"""True for names that never change their content (RFC 8246)."""


class Pictures:
    """What a device may show, in its order."""

    def __init__(self, services: Services, device: sa.Row[Any], rows: list[sa.Row[Any]]) -> None:
        self._services = services
        self.device = device
        self._rows = {row.image_id: row for row in rows}
        self.order = shuffled(list(self._rows), device.key)

    @property
    def next_index(self) -> int:
        return position_after(self.order, self.device.shown_image_id, self.device.key)

    def entry(self, image_id: str) -> QueueEntry:
        """One picture as frames read it. Raises KeyError if it is not ready for this device."""
        row = self._rows[image_id]
        return QueueEntry(
            image_id=image_id,
            file_path=row.file_path,
            color_palette=msgspec.convert(row.color_palette, Palette),
            url=self._address(row.file_path),
            width=row.width,
            height=row.height,
        )

    def _address(self, file_path: str) -> str:
        path = "/pictures/" + quote(name_in(self._services.bucket, file_path).removeprefix(object_names.PROCESSED))
        # Signed is what the server will see: the path with its percent signs decoded once.
        return f"{path}?s={self._services.authority.signature(unquote(path))}"


async def _pictures(services: Services, device_id: str) -> Pictures:
    device = await known_device(services, device_id)
    return Pictures(services, device, await services.database.read(devices.pictures, device.key))


class DeviceSlideshow:
    """`GET /api/devices/{device_id}/slideshow`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation(
        "The device's queue, from the picture that comes next",
        access=Access.DEVICE,
        answers={200: Slideshow, 404: Problem},
        query=(Query("count", int, "how many entries, 1 to 100; 50 unless told"),),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        count = query_int(req, "count", 50, 1, 100)
        pictures = await _pictures(self.services, device_id)
        first = pictures.next_index
        order = pictures.order[first:] + pictures.order[:first]
        moment = datetime.fromtimestamp(self.services.clock(), UTC)
        answer(
            resp,
            Slideshow(
                device_id=device_id,
                queue=tuple(pictures.entry(image_id) for image_id in order[:count]),
                current_index=0,
                generated_at=moment.isoformat().replace("+00:00", "Z"),
            ),
        )


class DeviceNext:
    """`GET /api/devices/{device_id}/next`: one picture, and the position moves on."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("The next picture of the device", access=Access.DEVICE, answers={200: QueueEntry, 404: Problem})
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        pictures = await _pictures(self.services, device_id)
        if not pictures.order:
            raise NotFound(f"no picture is ready for {device_id[:64]!r} yet")
        image_id = pictures.order[pictures.next_index]
        await self.services.database.write(devices.show, pictures.device.id, image_id)
        answer(resp, pictures.entry(image_id))


class DeviceImage:
    """`GET /api/devices/{device_id}/images/{image_id}`."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @operation("One photo as this device shows it", access=Access.DEVICE, answers={200: QueueEntry, 404: Problem})
    async def on_get(self, req: Request, resp: Response, device_id: str, image_id: str) -> None:
        pictures = await _pictures(self.services, device_id)
        try:
            answer(resp, pictures.entry(image_id))
        except KeyError:
            raise NotFound(f"there is no picture of {image_id[:64]!r} for this device") from None


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
