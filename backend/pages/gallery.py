"""The gallery: all photos, newest first, with filters and paging."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import urlencode

import msgspec
from falcon.asgi import Request, Response
from msgspec import Struct

from backend.auth.access import Access
from backend.colours.families import FAMILIES, SWATCHES
from backend.database import gallery
from backend.database.gallery import Cursor, Filters, Tile
from backend.http.errors import UnprocessableEntity
from backend.pages.access import page
from backend.pages.base import PageResource
from backend.pages.files import thumbnail_address
from contract.messages.processing import ImageState, Orientation

PAGE_SIZE = 48
"""Photos per page: more than a screen shows, and small enough for a phone (a thumbnail has about 8 kB)."""
MAX_REFRESHED = 100
"""Maximum number of tiles that one request may refresh."""
STATES = (
    ("", "All"),
    ("complete", "Complete"),
    ("pending", "Waiting"),
    ("processing", "In progress"),
    ("failed", "Failed"),
)
ORIENTATIONS = (("", "Any"), ("landscape", "Landscape"), ("portrait", "Portrait"), ("square", "Square"))
NO_COLOUR = "#80808055"
"""Background of a photo without known colours; it suits light and dark pages."""


class ShownTile(Struct, frozen=True, kw_only=True):
    """The values of a tile for the template."""

    id: str
    filename: str
    state: ImageState
    state_name: str
    background: str
    thumbnail: str | None
    colours: tuple[str, ...]


class ShownFilters(Struct, frozen=True, kw_only=True):
    """The values of the filter form for the template."""

    state: str
    orientation: str
    colour: str
    name: str

    @property
    def any(self) -> bool:
        """Return whether any filter is set."""
        return bool(self.state or self.orientation or self.colour or self.name)


class GalleryPage(PageResource):
    """`GET /`; with `part=tiles` only the tiles, and with `ids` only the tiles of these photos."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        database = self.services.database
        ids = req.get_param("ids")
        if ids is not None:
            rows = await database.read(gallery.tiles, ids.split(",")[:MAX_REFRESHED])
            self.site.send_fragment(resp, "_tiles.html", tiles=[shown_tile(tile) for tile in rows])
            return
        filters = filters_of(req)
        after = cursor_of(req.get_param("after"))
        tiles, more, counts = await database.read(gallery.page_and_counts, filters, after, PAGE_SIZE)
        values: dict[str, Any] = {
            "tiles": [shown_tile(tile) for tile in tiles],
            "more": self._more(req, tiles[-1]) if more else None,
        }
        if req.get_param("part") is not None:
            self.site.send_fragment(resp, "_tiles.html", **values)
            resp.set_header("X-More", values["more"] or "")
            return
        total = sum(counts.values())
        await self.site.send_page(
            req,
            resp,
            "gallery.html",
            **values,
            filters=ShownFilters(
                state=filters.state or "",
                orientation=filters.orientation or "",
                colour=filters.colour or "",
                name=filters.name,
            ),
            states=STATES,
            orientations=ORIENTATIONS,
            families=FAMILIES,
            swatches=SWATCHES,
            counts={**counts, "": total},
            total=total,
        )

    def _more(self, req: Request, last: Tile) -> str:
        """Return the address of the page after the photo `last`."""
        filters = {name: req.get_param(name) for name in ("state", "orientation", "colour", "name")}
        query = {name: value for name, value in filters.items() if value}
        return "/?" + urlencode({**query, "after": f"{last.ingested_at!r}_{last.id}"})


def shown_tile(tile: Tile) -> ShownTile:
    """Return the values of a tile for the template."""
    palette = tile.palette
    colours = dict.fromkeys((palette.primary, palette.secondary, palette.tertiary)) if palette else {}
    return ShownTile(
        id=tile.id,
        filename=tile.filename,
        state=tile.state,
        state_name=dict(STATES)[tile.state],
        background=tile.dominant or (palette.primary if palette else NO_COLOUR),
        thumbnail=thumbnail_address(tile.thumbnail_path),
        colours=tuple(colours),
    )


def filters_of(req: Request) -> Filters:
    """Return the filters of the query string. Raises UnprocessableEntity naming an invalid one."""
    values = {name: req.get_param(name) or None for name in ("state", "orientation", "colour")}
    for name, allowed in (
        ("state", get_args(ImageState)),
        ("orientation", get_args(Orientation)),
        ("colour", FAMILIES),
    ):
        if values[name] is not None and values[name] not in allowed:
            raise UnprocessableEntity(f"{name}: expected one of {', '.join(allowed)}")
    return msgspec.convert({**values, "name": (req.get_param("name") or "").strip()[:200]}, Filters)


def cursor_of(text: str | None) -> Cursor | None:
    """Return the cursor of the query parameter `after`. Raises UnprocessableEntity if it is invalid."""
    if text is None:
        return None
    moment, _, image_id = text.partition("_")
    try:
        return Cursor(float(moment), image_id)
    except ValueError:
        raise UnprocessableEntity("after: expected the value in the link of an earlier page") from None
