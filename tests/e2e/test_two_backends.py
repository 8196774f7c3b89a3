"""Two backends on one PostgreSQL database and one bucket: tasks work, one backend is killed, frames ask both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.system.postgres import PostgresServer, running_postgres
from tests.support import server
from tests.support.frame_library import picture

pytestmark = pytest.mark.server

PHOTOS = 54
SECONDS = 120.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as made:
        yield made


def start(folder: Path, name: str, url: str) -> server.BackendServer:
    """Start a backend with its own data folder on the shared database and bucket."""
    return server.start(
        folder / name,
        DATABASE_URL=url,
        BUCKET_URL=(folder / "bucket").as_uri(),
        PROCESSOR_AUTH_TOKEN="one-token-of-both-backends-and-their-tasks",
        ADMIN_PASSWORD="one-password-of-both-backends",
        BATCH_SIZE="20",
        FLUSH_DELAY_SECONDS="1",
        LOCAL_TASKS="1",
        LEASE_SECONDS="20",
    )


def test_photos_complete_and_frames_repeat_nothing_though_one_backend_is_killed(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    name = postgres.new_database()
    url = postgres.url(name)
    (tmp_path / "bucket").mkdir()
    one, two = start(tmp_path, "one", url), start(tmp_path, "two", url)
    backends = [one, two]
    try:
        one.add_device("frame", pairing=False)
        ids = [
            str(backends[number % 2].upload(picture(number, 64, 48), f"photo-{number}.jpg")["id"])
            for number in range(PHOTOS)
        ]
        assert len(set(ids)) == PHOTOS
        deadline = time.monotonic() + SECONDS
        while complete(postgres, name) < 5:  # tasks are at work
            assert time.monotonic() < deadline, one.log_text() + two.log_text()
            time.sleep(0.02)
        one.process.kill()
        one.process.wait(20)
        one.close_clients()
        while complete(postgres, name) < PHOTOS:
            assert time.monotonic() < deadline, two.log_text()
            time.sleep(0.1)
        attempts = postgres.execute("SELECT max(attempts), sum(attempts) FROM images", name)[0]
        assert attempts[0] in (1, 2), "a photo is rendered again only if its task died"
        backends[0] = start(tmp_path, "one", url)
        shown = [
            backends[number % 2].admin.get("/api/devices/frame/next").json()["imageId"] for number in range(PHOTOS)
        ]
        assert sorted(shown) == sorted(ids)
    finally:
        for backend in backends:
            backend.stop()
        postgres.drop(name)


def complete(postgres: PostgresServer, name: str) -> int:
    ((found,),) = postgres.execute("SELECT count(*) FROM images WHERE processing_status = 'complete'", name)
    return int(str(found))


def test_uploads_of_one_photo_to_both_backends_are_one_image(postgres: PostgresServer, tmp_path: Path) -> None:
    name = postgres.new_database()
    (tmp_path / "bucket").mkdir()
    one, two = (start(tmp_path, part, postgres.url(name)) for part in ("one", "two"))
    try:
        first = one.upload(picture(1, 64, 48))
        second = two.upload(picture(1, 64, 48))
        assert first["id"] == second["id"]
        session = one.log_in()  # a session is valid on both backends
        assert (
            two.client(Cookie="; ".join(f"{key}={value}" for key, value in session.cookies.items()))
            .get("/api/devices")
            .is_success
        )
    finally:
        one.stop()
        two.stop()
        postgres.drop(name)
