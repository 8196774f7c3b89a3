"""The page of the devices, and the page that imitates one of them."""

from __future__ import annotations

from typing import Any

import msgspec
from falcon.asgi import Request, Response

from backend.api.devices import device_info, known_device
from backend.auth.access import Access
from backend.database import devices, images
from backend.database.devices import Device
from backend.pages.access import page
from backend.pages.base import PageResource
from contract.messages.devices import DeviceInfo

PRESETS = ((800, 480), (1024, 600), (1280, 800), (1920, 1080), (480, 800), (600, 1024))
"""Screens that picture frames are often built with."""
INTERVALS = (
    (0, "at each call"),
    (60, "each minute"),
    (300, "every 5 minutes"),
    (900, "every 15 minutes"),
    (3600, "each hour"),
    (21_600, "every 6 hours"),
    (86_400, "each day"),
)


class DevicesPage(PageResource):
    """`GET /devices`; with `part=devices` only their list."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        shown = await self._devices()
        if req.get_param("part") is not None:
            self.site.show_part(resp, "_devices.html", devices=shown)
            return
        is_open = self.services.settings.device_auth == "open"
        await self.site.show(
            req, resp, "devices.html", devices=shown, presets=PRESETS, intervals=INTERVALS, open=is_open
        )

    async def _devices(self) -> list[dict[str, Any]]:
        database = self.services.database
        found = await database.read(devices.read_all)
        ready = await database.read(images.ready_counts)
        total = sum((await database.read(images.counts)).values())
        return [await self._shown(device, device_info(device, ready), total) for device in found]

    async def _shown(self, device: Device, info: DeviceInfo, total: int) -> dict[str, Any]:
        now, following = await self.services.frames.now_and_next(device)
        settings = {
            name: getattr(info, name) for name in ("name", "width", "height", "interval", "gap", "pairing", "filters")
        }
        return {
            "info": info,
            "settings": msgspec.json.encode(settings).decode(),
            "total": total,
            "screens": (("Now", now), ("Next", following)),
        }


class FramePage(PageResource):
    """`GET /devices/{device_id}/frame`: what hangs on the wall, in a browser; it moves no frame's position."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        device = await known_device(self.services, device_id)
        await self.site.show(req, resp, "frame.html", device=device)
