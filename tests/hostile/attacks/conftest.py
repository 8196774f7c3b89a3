"""The servers that are attacked: those of the backend's own tests."""

from __future__ import annotations

from tests.backend.conftest import backend, data_folder, frame, image, shared_backend

__all__ = ["backend", "data_folder", "frame", "image", "shared_backend"]
