"""A backend with real tasks and a real browser, both started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support import browser as browsers
from tests.support import server

WORKING = {
    "TICK_SECONDS": "0.2",
    "FLUSH_DELAY_SECONDS": "0.3",
    "BATCH_SIZE": "50",
    "LOCAL_TASKS": "1",
}
"""Whatever waits is begun at once."""


@pytest.fixture(scope="session")
def working_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """A backend whose tasks run; for the one test that goes all the way."""
    with server.running(tmp_path_factory.mktemp("pages") / "data", **WORKING) as made:
        yield made


@pytest.fixture(scope="session")
def quiet_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """A backend in which nothing happens by itself."""
    with server.running(tmp_path_factory.mktemp("quiet-pages") / "data") as made:
        yield made


@pytest.fixture
def backend(quiet_backend: server.BackendServer) -> Iterator[server.BackendServer]:
    """The quiet one, empty."""
    quiet_backend.clear()
    yield quiet_backend
    quiet_backend.close_clients()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped, saying what to install.

    As long as it is open, Playwright's event loop counts as running in this thread, and no other test may run one.
    """
    if browsers.chromium() is None:
        pytest.skip(browsers.HOW)
    with browsers.open_browser() as made:
        yield made
