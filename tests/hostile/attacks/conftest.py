"""A backend to attack for each module, so that memory is not what another attack left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import server


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    with server.running(tmp_path_factory.mktemp("target") / "data") as backend:
        backend.anonymous.get("/_health")
        yield backend
        assert "Traceback" not in backend.log_text()
