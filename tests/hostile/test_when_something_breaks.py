"""The behaviour that `docs/operations/troubleshooting.md` describes under "When something breaks"."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.checks import rows, run_checks
from tests.faults.environment import Environment
from tests.faults.fault_plan import FaultPlan
from tests.faults.run import DEVICES
from tests.hostile.test_chaos import folder as chaos_folder
from tests.support import server, small_photos
from tests.support.upload_forms import send

pytestmark = pytest.mark.server

BUSY_SECONDS = 10.0
GONE_SECONDS = 60.0
folder = chaos_folder


@contextlib.contextmanager
def full_disk(backend: server.BackendServer, left: int) -> Iterator[None]:
    """Limit the backend's files to `left` bytes, so that a write fails in the middle, as on a full disk."""
    before = resource.prlimit(backend.process.pid, resource.RLIMIT_FSIZE, (left, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(backend.process.pid, resource.RLIMIT_FSIZE, before)


def states(backend: server.BackendServer) -> list[tuple[str, int]]:
    return backend.sql("SELECT processing_status, count(*) FROM images GROUP BY 1")


def test_full_disk_rejects_uploads_temporarily_and_stores_nothing(tmp_path: Path) -> None:
    large = small_photos.photo(1) + b"\0" * 300_000
    with server.running(tmp_path / "data") as backend:
        backend.upload(small_photos.photo(2))
        before = backend.objects()
        with full_disk(backend, 100_000):
            rejected = send(backend.admin, large)
            assert server.problem(rejected, 503)
            assert rejected.headers["retry-after"]
            assert backend.anonymous.get("/_health").status_code == 200
            assert backend.admin.get("/api/images").status_code == 200
        with full_disk(backend, 1):  # not even the database can write
            assert send(backend.admin, small_photos.photo(3)).status_code == 503
            assert backend.admin.get("/api/images").status_code == 200
        assert backend.objects() == before
        assert backend.incomplete_objects() == []
        assert states(backend) == [("pending", 1)]
        assert send(backend.admin, large).status_code == 201
        assert send(backend.admin, small_photos.photo(3)).status_code == 201
        assert "Traceback" not in backend.log_text()


@pytest.mark.long
def test_locked_database_serves_reads_and_accepts_changes_later(tmp_path: Path) -> None:
    with server.running(tmp_path / "data") as backend:
        backend.upload(small_photos.photo(1))
        client = backend.admin
        with contextlib.closing(sqlite3.connect(backend.database)) as locked:
            locked.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            rejected = send(client, small_photos.photo(2))
            assert server.problem(rejected, 503)
            assert time.monotonic() - began < 3 * BUSY_SECONDS
            assert client.get("/api/images").status_code == 200
            locked.execute("ROLLBACK")
        assert send(client, small_photos.photo(2)).status_code == 201
        backend.stop()
    read_only = f"sqlite:///file:{backend.database}?mode=ro&uri=true"
    ended = server.run_to_end(tmp_path / "data", DATABASE_URL=read_only)
    assert ended.returncode == 1
    assert "cannot start" in ended.stderr
    assert "readonly" in ended.stderr.replace("-", "").replace(" ", "")
    assert "Traceback" not in ended.stderr


@pytest.mark.long
@pytest.mark.timeout(600)
def test_bucket_outage_of_a_minute_delays_work_only(folder: Path) -> None:
    plan = FaultPlan(folder=str(folder), seed=1, bucket_faults=1.0)
    plan.begin_quiet_phase()
    with Environment(folder / "data", plan, network_faults=0.0, max_tasks=2) as environment:
        with contextlib.closing(environment.logged_in()) as client:
            for name, (width, height) in DEVICES.items():
                body = {"name": name, "width": width, "height": height, "pairing": False}
                client.post("/api/devices", json=body).raise_for_status()
            good = {upload(client, number) for number in range(10)}
            plan.end_quiet_phase()
            gone = time.monotonic()
            rejected = client.post("/api/admin/upload", files={"file": ("a.jpg", small_photos.photo(99))})
            assert rejected.status_code == 503
            assert client.get("/_health").status_code == 200
            assert client.get("/_ready").status_code == 503
            time.sleep(max(0.0, gone + GONE_SECONDS - time.monotonic()))
            plan.begin_quiet_phase()
            good |= {upload(client, number) for number in range(10, 15)}
            wait_until_done(environment)
        environment.stop_backend()
    checks = run_checks(environment.data, good, set(), len(DEVICES))
    assert checks.passed, "\n".join(checks.details())


def upload(client: httpx.Client, number: int) -> str:
    response = client.post("/api/admin/upload", files={"file": (f"{number}.jpg", small_photos.photo(number))})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def wait_until_done(environment: Environment) -> None:
    left = (
        "SELECT (SELECT count(*) FROM images WHERE processing_status <> 'complete' OR revision > recorded) + "
        "(SELECT count(*) FROM executions WHERE finished_at IS NULL)"
    )
    deadline = time.monotonic() + 240
    while rows(environment.data / "slideshow.db", left) != [(0,)] or any(
        (environment.data / "bucket/images/metadata").glob("*.json")
    ):
        assert time.monotonic() < deadline, environment.log.read_text()[-3000:]
        time.sleep(0.2)
