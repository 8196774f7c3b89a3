"""Fuzz targets by name. A target is imported only when it runs, so that the tested code can be instrumented first."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

NAMES = (
    "photo_header",
    "photo_stream",
    "heif",
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
    """Interface of the modules of this package."""

    def seeds(self) -> Sequence[bytes]:
        """Return good inputs, the same at every call."""
        ...

    def check(self, data: bytes) -> None:
        """Process `data`, and raise if the tested code misbehaves."""
        ...


def target(name: str) -> Target:
    """Import a target by its name."""
    return cast(Target, importlib.import_module(f"fuzz.targets.{name}"))
