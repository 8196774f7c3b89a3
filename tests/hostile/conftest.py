"""Real servers to attack, with the helpers of the backend's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import server


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """Run a backend with a device and a photo, shared by tests that change nothing other tests need."""
    with server.running(tmp_path_factory.mktemp("attacked") / "data", UPLOAD_LIMIT_MIB="1") as backend:
        backend.add_device("frame")
        backend.upload_photos(1)
        backend.finish(backend.claim("setup/0"))
        yield backend
