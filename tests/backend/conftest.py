"""A backend for each module, and a clean one for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import server


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """What the module's backend is told beside `server.QUIET`; a module may override this."""
    return {}


@pytest.fixture(scope="module")
def module_backend(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> Iterator[server.BackendServer]:
    """One backend for the tests of a module; what a test leaves in it, the next one finds."""
    with server.running(tmp_path_factory.mktemp("backend") / "data", **settings) as made:
        yield made


@pytest.fixture
def backend(module_backend: server.BackendServer) -> server.BackendServer:
    """The module's backend without photos, devices and executions."""
    module_backend.forget_all()
    return module_backend


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Where a test that starts backends itself keeps their data."""
    return tmp_path / "data"
