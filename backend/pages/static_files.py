"""Stylesheets and scripts: read once, packed once, and kept by browsers as long as they do not change."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from falcon.asgi import Request, Response
from msgspec import Struct

from backend.auth.access import Access
from backend.http.errors import NotFound
from backend.pages.access import Home, page

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
IMMUTABLE = "public, max-age=31536000, immutable"


class _File(Struct, frozen=True):
    kind: str
    data: bytes
    packed: bytes


class StaticFiles:
    """The files, and the version that stands in their addresses: it follows from all that is in them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {}
        digest = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix in KINDS:
                data = path.read_bytes()
                digest.update(path.name.encode() + b"\0" + data)
                self._files[path.name] = _File(KINDS[path.suffix], data, gzip.compress(data, mtime=0))
        self.version = digest.hexdigest()[:10]

    def address(self, name: str) -> str:
        """Where a page finds this file. Raises KeyError if there is none."""
        self._files[name]
        return f"/static/{self.version}/{name}"

    def file(self, name: str) -> _File | None:
        return self._files.get(name)


class StaticResource:
    """`GET /static/{version}/{name}`. An older page may ask for an older version: it gets today's, for once."""

    def __init__(self, site: Home, files: StaticFiles) -> None:
        self.site = site
        self._files = files

    @page(access=Access.PUBLIC)
    async def on_get(self, req: Request, resp: Response, version: str, name: str) -> None:
        found = self._files.file(name)
        if found is None:
            raise NotFound(f"there is no file {name[:64]!r}")
        resp.content_type = found.kind
        resp.set_header("Vary", "Accept-Encoding")
        if version == self._files.version:
            resp.set_header("Cache-Control", IMMUTABLE)
        if "gzip" in (req.get_header("Accept-Encoding") or ""):
            resp.set_header("Content-Encoding", "gzip")
            resp.data = found.packed
        else:
            resp.data = found.data
