"""The move of docs/operations/postgresql.md: from SQLite to PostgreSQL and back, through the bucket alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.system.postgres import PostgresServer, running_postgres
from tests.support import server

pytestmark = [pytest.mark.server, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


def slideshow(data: Path, *command: str, **settings: str) -> str:
    """Run a command of the command line; it must succeed. Return its output."""
    data.mkdir(exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-m", "slideshow", *command, "--data", str(data)],
        env={**server.environment(data, settings), "PATH": os.environ["PATH"]},
        cwd=server.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_library_moves_to_postgresql_and_back(tmp_path: Path, postgres: PostgresServer) -> None:
    bucket = (tmp_path / "bucket").as_uri()
    with server.running(tmp_path / "old", BUCKET_URL=bucket) as old:
        frame = old.add_device("kitchen")
        photos = set(old.upload_photos(3))
        old.finish(old.claim("a-task"))
    address = postgres.url(postgres.new_database())
    new = {"BUCKET_URL": bucket, "DATABASE_URL": address}
    assert "restored 3 photos, 3 variants, 1 device" in slideshow(tmp_path / "new", "rebuild", **new)
    slideshow(tmp_path / "new", "verify", **new)
    with server.running(tmp_path / "new", **new) as backend:
        assert backend.admin.get("/api/admin/status").json()["images"]["complete"] == 3
        with_token = backend.client(Authorization=f"Bearer {frame['token']}")
        shown = with_token.get("/api/devices/kitchen/next")
        assert shown.status_code == 200, "the frame goes on with its token"
        photos.add(backend.upload_photos(1, first=3)[0])

    back = {"BUCKET_URL": bucket}
    assert "restored 4 photos" in slideshow(tmp_path / "back", "rebuild", **back)
    slideshow(tmp_path / "back", "verify", **back)
    with server.running(tmp_path / "back", **back) as backend:
        assert {row[0] for row in backend.sql("SELECT id FROM images")} == photos
