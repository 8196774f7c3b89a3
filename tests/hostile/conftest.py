"""Real servers to be attacked, with the helpers of the backend's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import server


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """A backend that has a device and a photo, for whoever breaks nothing that others need."""
    with server.running(tmp_path_factory.mktemp("attacked") / "data", UPLOAD_LIMIT_MIB="1") as made:
        made.add_device("frame")
        made.upload_photos(1)
        made.finish(made.claim("setup/0"))
        yield made
