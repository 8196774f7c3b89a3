"""Rendering of pages: templates, theme, navigation, and headers that block foreign content."""

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
from backend.pages.static_files import StaticFiles
from backend.pages.theme import DEFAULT_SOURCE, stylesheet, text_on
from backend.services import Services

TEMPLATES = Path(__file__).parent / "templates"
THEME_SECONDS = 5.0
"""Lifetime of the cached theme: each page would otherwise query the newest photo."""


class Site:
    """Renders all pages of one app."""

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

    async def send_page(
        self, req: Request, resp: Response, template: str, *, logged_in: bool = True, **values: Any
    ) -> None:
        """Answer with a page. With `logged_in` it has the navigation bar and the colours of the newest photo."""
        nonce = secrets.token_urlsafe(16)
        theme = await (self._theme_of_newest() if logged_in else self._default_theme())
        text = self._environment.get_template(template).render(
            nonce=nonce, theme=theme, logged_in=logged_in, path=req.path, now=self.services.clock(), **values
        )
        _send(resp, text)
        resp.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob:; "
            f"style-src 'self' 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        )
        resp.set_header("Referrer-Policy", "same-origin")
        resp.set_header("Cross-Origin-Opener-Policy", "same-origin")

    def send_fragment(self, resp: Response, template: str, **values: Any) -> None:
        """Answer with a fragment, which a script inserts into its page."""
        _send(resp, self.render(template, now=self.services.clock(), **values))
        resp.set_header("Content-Security-Policy", "default-src 'none'; sandbox")

    def render(self, template: str, **values: Any) -> str:
        """Return the text of a template with these values."""
        return self._environment.get_template(template).render(**values)

    async def send_error(self, req: Request, resp: Response, error: HttpProblem) -> None:
        """Answer with a page that shows the error."""
        logged_in = error.status in (404, 409, 422)  # only these are raised after the access check
        title = HTTPStatus(error.status).phrase
        await self.send_page(req, resp, "error.html", logged_in=logged_in, title=title, detail=error.detail)
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
                schemes = await asyncio.to_thread(schemes_of, palette.source_color, default_variant(palette))
                self._theme = stylesheet(schemes)
            self._theme_until = now + THEME_SECONDS
        return self._theme


class PageResource:
    """Base class of the pages' resources."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.services = site.services


def _send(resp: Response, text: str) -> None:
    resp.content_type = "text/html; charset=utf-8"
    resp.data = text.encode()
