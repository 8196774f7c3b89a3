"""The page of the devices, and the page that shows what one of them shows."""

from __future__ import annotations

from typing import Any

import msgspec
from falcon.asgi import Request, Response

from backend.api.devices import device_info, find_device
from backend.auth.access import Access
from backend.database import devices, images
from backend.database.devices import Device
from backend.pages.access import page
from backend.pages.base import PageResource
from contract.messages.devices import DeviceInfo
from contract.panels import CUSTOM, JPEG, PANELS, PanelName

PRESETS = ((800, 480), (1024, 600), (1280, 800), (1920, 1080), (480, 800), (600, 1024))
"""Screen sizes that picture frames often have."""
INTERVALS = (
    (0, "with each request"),
    (60, "every minute"),
    (300, "every 5 minutes"),
    (900, "every 15 minutes"),
    (3600, "every hour"),
    (21_600, "every 6 hours"),
    (86_400, "every day"),
)

SCREENS: tuple[tuple[PanelName, str], ...] = (
    (JPEG, "display (JPEG)"),
    *((name, f"e-paper: {model.title}") for name, model in PANELS.items()),
    (CUSTOM, "e-paper: other inks"),
)


class DevicesPage(PageResource):
    """`GET /devices`; with `part=devices` only the list."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        listed = await self._devices()
        if req.get_param("part") is not None:
            self.site.send_fragment(resp, "_devices.html", devices=listed)
            return
        is_open = self.services.settings.device_auth == "open"
        await self.site.send_page(
            req,
            resp,
            "devices.html",
            devices=listed,
            presets=PRESETS,
            intervals=INTERVALS,
            panels=SCREENS,
            open=is_open,
        )

    async def _devices(self) -> list[dict[str, Any]]:
        database = self.services.database
        rows = await database.read(devices.read_all)
        ready = await database.read(images.ready_counts)
        total = sum((await database.read(images.counts)).values())
        return [await self._values(device, device_info(device, ready), total) for device in rows]

    async def _values(self, device: Device, info: DeviceInfo, total: int) -> dict[str, Any]:
        now, following = await self.services.frames.now_and_next(device)
        settings = {
            name: getattr(info, name)
            for name in (
                "name",
                "width",
                "height",
                "interval",
                "gap",
                "pairing",
                "filters",
                "panel",
                "container",
                "inks",
            )
        }
        return {
            "info": info,
            "settings": msgspec.json.encode(settings).decode(),
            "total": total,
            "panel_title": dict(SCREENS)[info.panel].removeprefix("e-paper: "),
            "screens": (("Now", now), ("Next", following)),
        }


class FramePage(PageResource):
    """`GET /devices/{device_id}/frame`: a preview of the frame in a browser, which does not move its position."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        device = await find_device(self.services, device_id)
        await self.site.send_page(req, resp, "frame.html", device=device)
