"""The targets by name; each is imported only where it runs, so that what it tests can be instrumented first."""

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
    """A module of this package."""

    def seeds(self) -> Sequence[bytes]:
        """Good inputs, the same at every call."""
        ...

    def check(self, data: bytes) -> None:
        """Raise if `data` made happen what must never happen."""
        ...


def target(name: str) -> Target:
    """The target of this name."""
    return cast(Target, importlib.import_module(f"tests.fuzz.targets.{name}"))
