"""A database that does not outlive the process: its restoration, and two backends at a time."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from contract import object_names
from tests.backend.durability.test_rebuild import slideshow
from tests.support import server
from tests.support.library_state import fill, seen
from tests.support.server import problem
from tests.support.small_photos import photo

pytestmark = pytest.mark.server

LIMIT_SECONDS = 60.0
FLEETING = {"DATABASE_DURABLE": "no", "SNAPSHOT_DELAY_SECONDS": "0.2", "TICK_SECONDS": "0.1"}


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def in_snapshot(snapshot: Path, query: str) -> set[object]:
    """Return the first column of a query over the snapshot in the bucket."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(gzip.decompress(snapshot.read_bytes()))
        return {row[0] for row in connection.execute(query)}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    for backend in made.started:
        backend.stop()


class House:
    """A bucket, and backends that come and go over it, each with a disk of its own that goes with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bucket = folder / "shared"
        self.started: list[server.BackendServer] = []
        self._secrets = b""

    def begin(self) -> server.BackendServer:
        """A new backend, before it has loaded anything."""
        data = self.folder / f"disk-{len(self.started)}"
        data.mkdir()
        if self._secrets:
            (data / "secrets.json").write_bytes(self._secrets)
        backend = server.start(data, BUCKET_URL=self.bucket.as_uri(), **FLEETING)
        self._secrets = (data / "secrets.json").read_bytes()
        self.started.append(backend)
        return backend

    def started_up(self) -> server.BackendServer:
        """A new backend that takes changes."""
        backend = self.begin()
        until(lambda: "accepting changes with fencing token" in backend.log_text())
        return backend

    def kill(self, backend: server.BackendServer) -> None:
        """Kill the process and delete its disk, as a platform does after the grace period."""
        backend.close_clients()
        backend.process.kill()
        backend.process.wait()
        shutil.rmtree(backend.data)


def test_start_restores_from_snapshot_and_records_or_from_the_bucket_alone(house: House) -> None:
    backend = house.started_up()
    token = backend.add_device("kitchen")["token"]
    fill(backend)
    snapshot = house.bucket / object_names.SNAPSHOT
    before = snapshot.stat().st_mtime_ns
    until(lambda: snapshot.stat().st_mtime_ns != before)
    backend.upload_photos(2, first=20)  # in no snapshot, as far as a kill is quick enough
    expected = seen(backend)
    house.kill(backend)

    backend = house.started_up()
    assert "everything is read from the bucket" not in backend.log_text()
    assert seen(backend) == expected
    cookies = dict(backend.admin.cookies)
    assert backend.stop() == 0

    backend = house.started_up()
    assert seen(backend) == expected
    # A login is nowhere but in the snapshot of the orderly end.
    assert httpx.get(f"{backend.url}/api/images", cookies=cookies, trust_env=False).status_code == 200
    until(lambda: in_snapshot(snapshot, "SELECT count(*) FROM sessions") == {3})
    idle = snapshot.stat().st_mtime_ns
    time.sleep(1.0)  # ten ticks, five times the delay
    assert snapshot.stat().st_mtime_ns == idle, "a snapshot was taken although nothing had changed"
    ran = slideshow(backend.data, "verify", "--deep", BUCKET_URL=house.bucket.as_uri(), **FLEETING)
    assert (ran.returncode, ran.stdout) == (0, "0 differences\n"), ran.stdout + ran.stderr
    house.kill(backend)
    snapshot.unlink()

    backend = house.started_up()
    assert "there is no snapshot" in backend.log_text()
    assert seen(backend) == expected
    assert httpx.get(f"{backend.url}/api/images", cookies=cookies, trust_env=False).status_code == 401
    frame = backend.client(Authorization=f"Bearer {token}")
    assert frame.get("/api/devices/kitchen/next").status_code == 200


def test_second_backend_replaces_the_first_and_loses_no_acknowledged_change(house: House) -> None:
    older = house.started_up()
    older.add_device("kitchen")
    reader = older.log_in()
    acknowledged: list[str] = []
    refused: list[str] = []
    stop = threading.Event()

    def upload_to(backend: server.BackendServer, client: httpx.Client, numbers: Iterator[int]) -> None:
        for number in numbers:
            if stop.is_set():
                return
            answer = client.post("/api/admin/upload", files={"file": (f"{number}.jpg", photo(number))})
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])
            else:
                assert answer.headers["retry-after"]
                refused.append(problem(answer, 503))

    threads = [
        threading.Thread(target=upload_to, args=(older, older.log_in(), iter(range(first, first + 150))))
        for first in (0, 150)
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) > 10)
    newer = house.started_up()
    admin = newer.log_in()
    threads.append(threading.Thread(target=upload_to, args=(newer, admin, iter(range(300, 320)))))
    threads[-1].start()
    until(lambda: len(refused) > 2)
    stop.set()
    for thread in threads:
        thread.join(LIMIT_SECONDS)
    assert all("another backend instance is active now" in sentence for sentence in refused)
    assert reader.get("/api/images").status_code == 200
    known = {row[0] for row in newer.sql("SELECT id FROM images")}
    assert set(acknowledged) <= known

    snapshot = house.bucket / object_names.SNAPSHOT
    problem(older.processor.post("/api/processing/claims", json={"owner": "x/0"}), 503)
    older.stop()  # a last snapshot of it would overwrite the newer one's
    until(lambda: known <= in_snapshot(snapshot, "SELECT id FROM images"))
    house.kill(newer)
    assert set(acknowledged) <= {row[0] for row in house.started_up().sql("SELECT id FROM images")}


def test_starting_backend_answers_health_and_rejects_other_requests(house: House) -> None:
    house.bucket.mkdir()
    (house.bucket / "state").mkdir()
    (house.bucket / object_names.DEVICES).write_bytes(b"damaged")  # so that loading does not end
    backend = house.begin()
    until(lambda: "could not be loaded" in backend.log_text())
    assert backend.anonymous.get("/_health").status_code == 200
    client, processor = backend.anonymous, backend.processor
    calls: list[Callable[[], httpx.Response]] = [
        lambda: client.get("/_ready"),
        lambda: client.get("/api/devices/kitchen/next"),
        lambda: client.post("/login", json={"password": "x"}),
        lambda: processor.post("/internal/tick"),
    ]
    with ThreadPoolExecutor(len(calls)) as threads:
        for answer in threads.map(lambda call: call(), calls):
            assert "being loaded" in problem(answer, 503)
            assert answer.headers["retry-after"]
    (house.bucket / object_names.DEVICES).unlink()
    until(lambda: "accepting changes with fencing token" in backend.log_text())
    assert backend.anonymous.get("/_ready").status_code == 200
