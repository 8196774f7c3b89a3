"""Stylesheets, scripts and icons: read and compressed once, and cached by browsers until any of them changes."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from msgspec import Struct

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class StaticContent(Struct, frozen=True):
    """One file, as it is and compressed with gzip."""

    media_type: str
    data: bytes
    gzipped: bytes


class StaticFiles:
    """All static files. Their addresses contain a version, the hash of all names and contents."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {}
        digest = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix in MEDIA_TYPES:
                data = path.read_bytes()
                digest.update(path.name.encode() + b"\0" + data)
                self._files[path.name] = StaticContent(MEDIA_TYPES[path.suffix], data, gzip.compress(data, mtime=0))
        self.version = digest.hexdigest()[:10]

    def address(self, name: str) -> str:
        """Return the address of this file. Raises KeyError if there is none."""
        self._files[name]
        return f"/static/{self.version}/{name}"

    def file(self, name: str) -> StaticContent | None:
        return self._files.get(name)
