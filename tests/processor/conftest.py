"""Fixtures for tests of the whole task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina.instrumentation

from tests.support.claims_server import ClaimsServer
from tests.support.task_world import World


@pytest.fixture(autouse=True)
def quiet_retries() -> None:
    stamina.instrumentation.set_on_retry_hooks(())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a claims server with an empty bucket folder."""
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")
