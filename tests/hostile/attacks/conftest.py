"""The servers that are attacked: those of the backend's own tests, and one for each module that measures memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backend.conftest import backend, data_folder, frame, image, shared_backend
from tests.support import server

__all__ = ["backend", "data_folder", "frame", "image", "shared_backend"]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    with server.running(tmp_path_factory.mktemp("target") / "data") as made:
        made.anonymous.get("/_health")
        yield made
        assert "Traceback" not in made.log_text()
