"""Snapshots in a bucket of their own, and the way back to a start without the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import object_names
from tests.backend.durability.test_snapshots import FLEETING, until
from tests.support import server
from tests.support.library_state import fill, seen

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


def test_setting_can_be_added_and_removed_without_losing_changes(tmp_path: Path) -> None:
    bucket, own = tmp_path / "shared", tmp_path / "snapshots"
    data = tmp_path / "data"

    def start(**settings: str) -> server.BackendServer:
        backend = server.start(data, BUCKET_URL=bucket.as_uri(), **FLEETING, **settings)
        until(lambda: backend.log_text().count("accepting changes with fencing token") == len(started) + 1)
        started.append(backend)
        return backend

    started: list[server.BackendServer] = []
    backend = start()
    backend.add_device("kitchen")
    assert backend.stop() == 0
    earlier = (bucket / object_names.SNAPSHOT).read_bytes()

    backend = start(SNAPSHOT_BUCKET_URL=own.as_uri())  # finds the snapshot beside the photos
    fill(backend)
    expected = seen(backend)
    assert backend.stop() == 0
    assert (bucket / object_names.SNAPSHOT).read_bytes() == earlier
    assert [path.name for path in own.rglob("*") if path.is_file()] == ["snapshot.db.gz"]

    backend = start(SNAPSHOT_BUCKET_URL=own.as_uri())  # finds the newer one
    assert seen(backend) == expected
    assert backend.stop() == 0

    backend = start()  # the way back: an older snapshot, and all newer records
    assert seen(backend) == expected
    assert backend.stop() == 0
    assert "everything is read from the bucket" not in backend.log_text().partition("accepting changes")[2]
