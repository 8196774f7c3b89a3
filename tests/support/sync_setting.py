"""A library, a bucket, and the metadata sync between them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from backend.durability.sidecar_sync import SidecarSync
from contract import object_names
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket, name_in
from contract.messages.admin import SyncReport
from contract.messages.sidecars import Sidecar, SidecarResult
from contract.recipes import recipe
from tests.support.core_library import HISTOGRAM, PALETTE, Library

JSON = "application/json"


class Setting:
    """A library, a bucket and the sync between them."""

    def __init__(self, folder: Path) -> None:
        self.library = Library(folder / "slideshow.db")
        self.bucket: Bucket = open_bucket((folder / "bucket").as_uri())
        self.sync = self.another("one")

    def another(self, holder: str) -> SidecarSync:
        """Return the sync of another backend process."""
        return SidecarSync(self.library.database, self.bucket, holder)

    def leave(self, image: str, content: Sidecar | bytes) -> None:
        """Store a sidecar as a task does, after the pictures that it contains."""
        data = content if isinstance(content, bytes) else msgspec.json.encode(content)
        if isinstance(content, Sidecar):
            for stored in content.results:
                with contextlib.suppress(ValueError):  # a name that could be no object of this bucket
                    self.bucket.replace(name_in(self.bucket, stored.file_path), b"a picture", "image/jpeg")
        self.bucket.replace(object_names.sidecar(image), data, JSON)

    def run(self, now: float = 500.0) -> SyncReport:
        """Run one pass, which no other pass blocks."""
        report = self.library.run(self.sync.run(now))
        assert isinstance(report, SyncReport)
        return report

    def objects(self) -> list[str]:
        """Return the names of the sidecars, waiting and archived."""
        return [entry.name for entry in self.bucket.list(object_names.METADATA, recursive=True)]


def result(image: str, key: str = "small", size: tuple[int, int] = (800, 480), **changes: Any) -> SidecarResult:
    """Return one variant, as in a sidecar."""
    made = SidecarResult(
        device_size=key,
        width=size[0],
        height=size[1],
        file_path=object_names.variant(key, image, recipe(*size)),
        colors=PALETTE.all_colors,
        primary=PALETTE.primary,
        secondary=PALETTE.secondary,
        tertiary=PALETTE.tertiary,
        recipe=recipe(*size),
    )
    return msgspec.structs.replace(made, **changes)


def sidecar(image: str, *results: SidecarResult, at: str = "2025-01-31T12:00:00Z", **more: Any) -> Sidecar:
    """Return the sidecar of an image with one variant, or with the given ones."""
    return Sidecar(image_id=image, processed_at=at, results=results or (result(image),), histogram=HISTOGRAM, **more)
