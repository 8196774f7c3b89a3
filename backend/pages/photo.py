"""The page of one photo: file facts, pictures on every device, colours and schemes, focus."""

from __future__ import annotations

import asyncio
from typing import Any

from falcon.asgi import Request, Response

from backend.auth.access import Access
from backend.colours.schemes import default_variant, schemes_of
from backend.database import gallery, images
from backend.database.gallery import DevicePicture
from backend.http.errors import NotFound
from backend.pages.access import page
from backend.pages.base import PageResource
from backend.pages.files import picture_address, thumbnail_address
from backend.pages.gallery import NO_COLOUR
from backend.pages.theme import card_stylesheet
from contract.messages.admin import ImageInfo
from contract.messages.processing import Palette, orientation_of

CENTRE = (0.5, 0.5)
ROLES = ("Primary", "Secondary", "Tertiary")


class PhotoPage(PageResource):
    """`GET /photos/{image_id}`; with `part=pictures` or `part=state` only that fragment."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response, image_id: str) -> None:
        database = self.services.database
        photo = await database.read(images.get, image_id)
        facts = await database.read(gallery.file_facts, image_id)
        if photo is None or facts is None:
            raise NotFound(f"there is no photo {image_id[:64]!r}; it may have been deleted")
        pictures = await database.read(gallery.device_pictures, image_id)
        values: dict[str, Any] = {
            "photo": photo,
            "pictures": [self._values(picture) for picture in pictures],
            "background": gallery.dominant(photo.histogram) or NO_COLOUR,
        }
        part = req.get_param("part")
        if part is not None:
            resp.set_header("X-State", photo.processing_status)
            self.site.send_fragment(resp, "_photo_state.html" if part == "state" else "_pictures.html", **values)
            return
        await self.site.send_page(
            req,
            resp,
            "photo.html",
            **values,
            byte_size=facts.byte_size,
            processed_at=facts.processed_at,
            render_seconds=facts.render_seconds,
            kind=photo.file_path.rpartition(".")[2].upper().replace("JPG", "JPEG"),
            thumbnail=thumbnail_address(photo.thumbnail_path),
            focus=photo.focus or photo.found_focus or CENTRE,
            chosen=photo.focus is not None,
            detected=photo.found_focus is not None,
            neutral=photo.color_palette is not None and photo.color_palette.neutral,
            palette=named_colours(photo.color_palette),
            card_theme=await self._card_theme(photo),
        )

    def _values(self, picture: DevicePicture) -> dict[str, Any]:
        return {
            "name": picture.name,
            "width": picture.width,
            "height": picture.height,
            "shape": orientation_of(picture.width, picture.height),
            "current": picture.current,
            "address": picture_address(self.services.bucket, picture.file_path) if picture.file_path else None,
        }

    async def _card_theme(self, photo: ImageInfo) -> str:
        palette = photo.color_palette
        if palette is None:
            return ""
        # 10 to 45 ms of plain Python, which must not block other requests.
        return card_stylesheet(await asyncio.to_thread(schemes_of, palette.source_color, default_variant(palette)))


def named_colours(palette: Palette | None) -> list[tuple[str, str]]:
    """Return (colour, name) of a palette, each colour once. Colours without a role are numbered."""
    if palette is None:
        return []
    names: dict[str, list[str]] = {}
    for colour, role in zip((palette.primary, palette.secondary, palette.tertiary), ROLES, strict=True):
        names.setdefault(colour, []).append(role)
    names.setdefault(palette.source_color, []).append("Source")
    for colour in palette.all_colors:
        if colour not in names:
            names[colour] = [f"Colour {len(names) + 1}"]
    return [(colour, ", ".join(roles)) for colour, roles in names.items()]
