"""What every page has: templates, colours, the way around, and headers that let nothing foreign in."""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

from falcon.asgi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from backend.colours.schemes import default_variant, schemes_of
from backend.database import gallery
from backend.http.errors import HttpProblem
from backend.pages import formatting
from backend.pages.contrast import text_on
from backend.pages.static_files import StaticFiles
from backend.pages.theme import DEFAULT_SOURCE, stylesheet
from backend.services import Services

TEMPLATES = Path(__file__).parent / "templates"
THEME_SECONDS = 5.0
"""How old the pages' colours may be: each page would otherwise ask for the newest photo."""


class Site:
    """Renders pages; one for all of them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.static = StaticFiles()
        self._default: str | None = None
        self._theme = ""
        self._theme_until = 0.0
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(static=self.static.address, text_on=text_on)
        self._environment.filters.update(
            counted=formatting.counted,
            moment=formatting.moment,
            size=formatting.size,
            duration=formatting.duration,
            ago=formatting.ago,
        )

    async def show(self, req: Request, resp: Response, template: str, *, inside: bool = True, **values: Any) -> None:
        """Answer with a page. `inside`: for who has logged in, with the way around and the photos' colours."""
        nonce = secrets.token_urlsafe(16)
        theme = await (self._theme_of_newest() if inside else self._default_theme())
        text = self._environment.get_template(template).render(
            nonce=nonce, theme=theme, inside=inside, path=req.path, now=self.services.clock(), **values
        )
        _send(resp, text)
        resp.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob:; "
            f"style-src 'self' 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        )
        resp.set_header("Referrer-Policy", "same-origin")
        resp.set_header("Cross-Origin-Opener-Policy", "same-origin")

    def show_part(self, resp: Response, template: str, **values: Any) -> None:
        """Answer with a piece of a page, which a script of that page puts into its place."""
        _send(resp, self.rendered(template, now=self.services.clock(), **values))
        resp.set_header("Content-Security-Policy", "default-src 'none'; sandbox")

    def rendered(self, template: str, **values: Any) -> str:
        """A template with these values."""
        return self._environment.get_template(template).render(**values)

    async def refuse(self, req: Request, resp: Response, error: HttpProblem) -> None:
        """Answer with a page that says why there is no other."""
        inside = error.status in (404, 409, 422)  # only these come after the access was checked
        title = HTTPStatus(error.status).phrase
        await self.show(req, resp, "error.html", inside=inside, title=title, detail=error.detail)
        resp.status = error.status

    async def _default_theme(self) -> str:
        if self._default is None:
            self._default = stylesheet(await asyncio.to_thread(schemes_of, DEFAULT_SOURCE, "tonal_spot"))
        return self._default

    async def _theme_of_newest(self) -> str:
        now = self.services.clock()
        if not now < self._theme_until <= now + THEME_SECONDS:
            palette = await self.services.database.read(gallery.newest_palette)
            if palette is None:
                self._theme = await self._default_theme()
            else:
                made = await asyncio.to_thread(schemes_of, palette.source_color, default_variant(palette))
                self._theme = stylesheet(made)
            self._theme_until = now + THEME_SECONDS
        return self._theme


class PageResource:
    """A page: what its responders need."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.services = site.services


def _send(resp: Response, text: str) -> None:
    resp.content_type = "text/html; charset=utf-8"
    resp.data = text.encode()
