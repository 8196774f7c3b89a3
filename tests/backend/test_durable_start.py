"""The start over a durable database while the bucket is unavailable: reads are served, changes wait."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backend import startup
from backend.http.middleware import ServingState
from contract.bucket.disk import DiskBucket
from contract.bucket.port import BucketUnavailable
from tests.support.core_library import Library


class UnreliableBucket:
    """A bucket on disk that is unavailable until `available` is set."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._bucket = DiskBucket(folder.as_uri())
        self.available = False

    def __getattr__(self, name: str) -> Any:
        if not self.available:
            raise BucketUnavailable(name, "it does not answer")
        return getattr(self._bucket, name)


@pytest.fixture
def services(tmp_path: Path, library: Library) -> Any:
    async def read_database() -> None:
        """Nothing depends on stored values here."""

    return SimpleNamespace(
        database=library.database,
        bucket=UnreliableBucket(tmp_path / "bucket"),
        clock=time.time,
        last_error=None,
        read_database=read_database,
        serving_state=ServingState(durable=True),
        wake_up=asyncio.Event(),
    )


def test_start_with_photos_serves_reads_until_the_bucket_answers(
    services: Any, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.device("kitchen")
    library.add(1, at=time.time())
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        services.bucket.available = len(pauses) == 3

    monkeypatch.setattr("backend.startup.asyncio.sleep", sleep)

    async def act() -> None:
        assert not await startup.start_durable(services)
        assert services.serving_state.state == "reading"
        await startup.finish_start(services)

    asyncio.run(act())
    assert pauses == [1.0, 2.0, 4.0]
    assert services.serving_state.state == "writing"
    assert services.last_error is None
    assert services.wake_up.is_set()


def test_start_without_photos_and_devices_ends_while_the_bucket_is_unavailable(services: Any) -> None:
    with pytest.raises(BucketUnavailable):
        asyncio.run(startup.start_durable(services))
    assert services.serving_state.state == "writing"
