"""A machine that runs out of something: the answers must not blame the client, and must name the cause."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from backend.app import _reason_of
from tests.support import server, small_photos
from tests.support.upload_forms import UPLOAD

CONNECTIONS = 100


@pytest.mark.server
@pytest.mark.parametrize("spare", [0, 1, 3])
def test_upload_without_file_descriptors_is_not_called_a_bad_photo(data_folder: Path, spare: int) -> None:
    """W5: a photo that was sent while no file could be opened got 415."""
    with server.running(data_folder) as backend, contextlib.ExitStack() as stack:
        backend.add_device("frame")
        admin = backend.admin
        admin.get("/api/images").raise_for_status()  # its connection stays open
        used = len(os.listdir(f"/proc/{backend.process.pid}/fd"))
        before = resource.prlimit(backend.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(backend.process.pid, resource.RLIMIT_NOFILE, (used + spare, before[1]))
        host = urlsplit(backend.url)
        for _ in range(CONNECTIONS):
            silent = socket.socket()
            stack.callback(silent.close)
            silent.settimeout(2)
            with contextlib.suppress(OSError):
                silent.connect((str(host.hostname), host.port or 0))
        statuses = []
        for number in range(3):
            with contextlib.suppress(httpx.TransportError):
                answer = admin.post(UPLOAD, files={"file": ("x.jpg", small_photos.photo(number))}, timeout=10)
                statuses.append(answer.status_code)
        resource.prlimit(backend.process.pid, resource.RLIMIT_NOFILE, before)
        stack.close()
        assert not {415, 422} & set(statuses), statuses
        assert "site-packages" not in backend.log_text()
        fresh = backend.log_in()
        answer = fresh.post(UPLOAD, files={"file": ("x.jpg", small_photos.photo(9))})
        assert answer.status_code == 201  # it recovers


@pytest.mark.parametrize(
    ("name", "expected"), [("SQLITE_FULL", "disk"), ("SQLITE_IOERR_WRITE", "log"), ("SQLITE_BUSY", "try again")]
)
def test_full_disk_is_named(name: str, expected: str) -> None:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorname = name
    assert expected in _reason_of(OperationalError("INSERT", {}, error))


def test_sqlite_reports_a_full_database_by_that_name() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.executemany("INSERT INTO t VALUES (zeroblob(4000))", [()] * 9)
    connection.close()
    assert "disk" in _reason_of(OperationalError("INSERT", {}, caught.value))
