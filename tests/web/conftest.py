"""Fixtures: backends with and without tasks, and a real browser, each started once."""

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
"""Settings that start waiting work at once."""


@pytest.fixture(scope="session")
def working_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """Start a backend that runs tasks, for the journey."""
    with server.running(tmp_path_factory.mktemp("pages") / "data", **WORKING) as started:
        yield started


@pytest.fixture(scope="session")
def quiet_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """Start a backend without timer."""
    with server.running(tmp_path_factory.mktemp("quiet-pages") / "data") as started:
        yield started


@pytest.fixture
def backend(quiet_backend: server.BackendServer) -> Iterator[server.BackendServer]:
    """The quiet one, empty."""
    quiet_backend.clear()
    yield quiet_backend
    quiet_backend.close_clients()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a headless Chromium, or skip the test with a note what to install.

    While it is open, Playwright's event loop counts as running in this thread, and no other test may run one.
    """
    if browsers.chromium() is None:
        pytest.skip(browsers.MISSING)
    with browsers.open_browser() as started:
        yield started
