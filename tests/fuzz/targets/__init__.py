"""The targets by name. A target is imported only when it runs, after the code under test was instrumented."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

NAMES = (
    "image_header",
    "photo_header",
    "photo_stream",
    "heif",
    "camera_raw",
    "icc_profile",
    "upload_header",
    "exif",
    "sidecar",
    "record",
    "answer",
    "names",
    "token",
    "model_values",
    "render",
)


class Target(Protocol):
    """A module of this package."""

    def seeds(self) -> Sequence[bytes]:
        """Return valid inputs, the same at every call."""
        ...

    def check(self, data: bytes) -> None:
        """Raise if the code under test mishandles `data`."""
        ...


def target(name: str) -> Target:
    """Import and return the target of this name."""
    return cast(Target, importlib.import_module(f"tests.fuzz.targets.{name}"))
