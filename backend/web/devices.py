"""The page of the devices, and the page that imitates one of them."""

from __future__ import annotations

from typing import Any

from falcon.asgi import Request, Response

from backend.auth import Access
from backend.database import devices, images
from backend.resources.devices import known_device
from backend.web.guard import page
from backend.web.site import PageResource
from contract.messages import orientation_of

PRESETS = ((800, 480), (1024, 600), (1280, 800), (1920, 1080), (480, 800), (600, 1024))
"""Screens that picture frames are often built with."""


class DevicesPage(PageResource):
    """`GET /devices`; with `part=devices` only their list."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        shown = await self._devices()
        if req.get_param("part") is not None:
            self.site.show_part(resp, "_devices.html", devices=shown)
            return
        is_open = self.services.settings.device_auth == "open"
        await self.site.show(req, resp, "devices.html", devices=shown, presets=PRESETS, open=is_open)

    async def _devices(self) -> list[dict[str, Any]]:
        database = self.services.database
        rows = await database.read(devices.rows)
        ready = await database.read(images.ready_counts)
        total = sum((await database.read(images.counts)).values())
        shown = {row.id: await self.services.frames.now_and_next(row) for row in rows}
        return [
            {
                "id": row.id,
                "name": row.name,
                "width": row.width,
                "height": row.height,
                "orientation": row.orientation,
                "shape": orientation_of(row.width, row.height),
                "ready": ready.get(row.key, 0),
                "total": total,
                **{
                    name: None if entry is None else {"image_id": entry.image_id, "address": entry.url}
                    for name, entry in zip(("now", "next"), shown[row.id], strict=True)
                },
            }
            for row in rows
        ]


class FramePage(PageResource):
    """`GET /devices/{device_id}/frame`: what hangs on the wall, in a browser; it moves no frame's position."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        device = await known_device(self.services, device_id)
        await self.site.show(req, resp, "frame.html", device=device)
