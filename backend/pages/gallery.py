"""The gallery: all photos, newest first, filtered, page by page."""

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

PAGE = 48
"""Photos of a page: more than a screen shows, and light enough for a phone (a thumbnail has about 8 kB)."""
WATCHED = 100
"""No more tiles are asked for again at once."""
STATES = (
    ("", "All"),
    ("complete", "Complete"),
    ("pending", "Waiting"),
    ("processing", "In work"),
    ("failed", "Failed"),
)
ORIENTATIONS = (("", "Any"), ("landscape", "Landscape"), ("portrait", "Portrait"), ("square", "Square"))
NO_COLOUR = "#80808055"
"""Behind a photo whose colours are not known yet: it goes with a light and with a dark page."""


class ShownTile(Struct, frozen=True, kw_only=True):
    """A tile as the template reads it."""

    id: str
    filename: str
    state: ImageState
    state_name: str
    ground: str
    thumbnail: str | None
    colours: tuple[str, ...]


class ShownFilters(Struct, frozen=True, kw_only=True):
    """The filters as the form shows them."""

    state: str
    orientation: str
    colour: str
    name: str

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return bool(self.state or self.orientation or self.colour or self.name)


class GalleryPage(PageResource):
    """`GET /`; with `part=tiles` only the tiles, and with `ids` as well those of these photos."""

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        database = self.services.database
        ids = req.get_param("ids")
        if ids is not None:
            found = await database.read(gallery.tiles, ids.split(",")[:WATCHED])
            self.site.show_part(resp, "_tiles.html", tiles=[shown(tile) for tile in found])
            return
        filters = filters_of(req)
        after = cursor_of(req.get_param("after"))
        tiles, more, counts = await database.read(gallery.page_and_counts, filters, after, PAGE)
        values: dict[str, Any] = {
            "tiles": [shown(tile) for tile in tiles],
            "more": self._more(req, tiles[-1]) if more else None,
        }
        if req.get_param("part") is not None:
            self.site.show_part(resp, "_tiles.html", **values)
            resp.set_header("X-More", values["more"] or "")
            return
        total = sum(counts.values())
        await self.site.show(
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
        """The address of the page after the photo `last`."""
        kept = {name: req.get_param(name) for name in ("state", "orientation", "colour", "name")}
        place = {name: value for name, value in kept.items() if value}
        return "/?" + urlencode({**place, "after": f"{last.ingested_at!r}_{last.id}"})


def shown(tile: Tile) -> ShownTile:
    """What the template needs of a tile."""
    palette = tile.palette
    colours = dict.fromkeys((palette.primary, palette.secondary, palette.tertiary)) if palette else {}
    return ShownTile(
        id=tile.id,
        filename=tile.filename,
        state=tile.state,
        state_name=dict(STATES)[tile.state],
        ground=tile.dominant or (palette.primary if palette else NO_COLOUR),
        thumbnail=thumbnail_address(tile.thumbnail_path),
        colours=tuple(colours),
    )


def filters_of(req: Request) -> Filters:
    """The filters in an address. Raises Invalid naming the one that is none."""
    given = {name: req.get_param(name) or None for name in ("state", "orientation", "colour")}
    for name, kinds in (
        ("state", get_args(ImageState)),
        ("orientation", get_args(Orientation)),
        ("colour", FAMILIES),
    ):
        if given[name] is not None and given[name] not in kinds:
            raise UnprocessableEntity(f"{name}: expected one of {', '.join(kinds)}")
    return msgspec.convert({**given, "name": (req.get_param("name") or "").strip()[:200]}, Filters)


def cursor_of(text: str | None) -> Cursor | None:
    """The place that an address goes on from. Raises Invalid."""
    if text is None:
        return None
    moment, _, image_id = text.partition("_")
    try:
        return Cursor(float(moment), image_id)
    except ValueError:
        raise UnprocessableEntity("after: expected what an earlier page said") from None
