"""Periodic work over real HTTP, with real tasks: manual ticks, a killed backend, the sync."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import server, small_photos
from tests.support.server import problem
from tests.support.ticks import TICK, WAIT_SECONDS, at_once, until_done

pytestmark = pytest.mark.server


def test_tick_concurrent_calls_do_all_periodic_work_once(data_folder: Path) -> None:
    """Without a timer, ticks start and follow real tasks, import sidecars and remove garbage."""
    quick = {"SYNC_INTERVAL_SECONDS": "0.01", "LOCAL_TASKS": "1", "PROCESSOR_JOB_NAME": "frames"}
    with server.running(data_folder, **quick) as backend:
        backend.add_device("wide", 80, 48)
        backend.add_device("tall", 48, 80)
        uploaded = backend.upload_photos(4)
        assert backend.processor.post(TICK).json()["started"] is None  # half a batch waits for the flush delay
        backend.sql("UPDATE images SET queued_at = 0")
        time.sleep(0.2)
        assert backend.sql("SELECT count(*) FROM executions") == [(0,)]  # nothing starts without a tick

        answers = [answer.json() for answer in at_once(6, backend, TICK)]
        started = [report["started"] for report in answers if report["started"]]
        assert len(answers) == 6
        assert len(started) == 1
        assert started[0].startswith("frames-")
        until_done(backend, ticking=True)
        at_once(4, backend, TICK)

        assert backend.sql("SELECT id, processing_status, attempts, strikes FROM images ORDER BY id") == [
            (image_id, "complete", 1, 0) for image_id in sorted(uploaded)
        ]
        assert backend.sql("SELECT count(*) FROM processed_images") == [(8,)]
        assert backend.sql("SELECT name, state, retries FROM executions") == [(started[0], "succeeded", 0)]
        assert len(backend.objects("images/metadata/archive/")) == 4
        assert len(backend.objects("images/metadata/")) == 4
        assert len(backend.objects("images/thumbnails/")) == 4
        (execution,) = backend.admin.get("/api/admin/status").json()["executions"]
        assert execution["cpuSeconds"] > 0
        assert execution["peakRssMb"] > 10

        backend.admin.delete("/api/devices/tall").raise_for_status()
        assert len(backend.objects("processed/")) == 8
        removed = [answer.json()["removed_objects"] for answer in at_once(2, backend, TICK)]
        assert max(removed) == 4
        assert backend.objects("processed/tall/") == set()
        assert len(backend.objects("processed/wide/")) == 4

        log = backend.log_text()
        for line in (
            "Job queue manager initialized",
            "Metadata sync service initialized",
            "[JobQueue] started frames-",
        ):
            assert line in log
        assert "Syncing 4 metadata files" in log or "Syncing " in log
        for secret in (backend.secrets["processor_token"], backend.secrets["admin_password"]):
            assert secret not in log
        assert backend.admin.cookies["session_id"] not in log


def test_upload_filling_a_batch_without_timer_starts_an_execution(data_folder: Path) -> None:
    with server.running(data_folder, BATCH_SIZE="2", LOCAL_TASKS="1") as backend:
        backend.upload_photos(1)
        assert backend.sql("SELECT count(*) FROM executions") == [(0,)]
        backend.upload_photos(1, first=1)
        ((state, images),) = backend.sql("SELECT state, images FROM executions")
        assert (state, images) == ("running", 2)
        backend.upload_photos(2, first=2)  # the running task claims them
        assert backend.sql("SELECT count(*) FROM executions") == [(1,)]
        until_done(backend, ticking=True)


def test_backend_killed_during_work_completes_it_after_restart(data_folder: Path) -> None:
    """Uses the backend's own timer, and a requested dispatch."""
    with server.running(data_folder, TICK_SECONDS="0.2", LEASE_SECONDS="3", LOCAL_TASKS="1") as backend:
        assert backend.admin.post("/api/admin/flush").json() == {
            "execution": None,
            "reason": "nothing is pending",
        }
        backend.add_device("frame", 320, 200)
        uploaded = backend.upload_photos(6)
        assert backend.admin.post("/api/admin/flush").json()["execution"]
        deadline = time.monotonic() + WAIT_SECONDS
        while not any(backend.state(image_id) != "pending" for image_id in uploaded):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        backend.process.send_signal(signal.SIGKILL)
        backend.process.wait(10)
    assert (data_folder / "backend.json").exists()  # it had no time to remove the file
    settings = {"TICK_SECONDS": "0.2", "LEASE_SECONDS": "3", "LOCAL_TASKS": "1", "FLUSH_DELAY_SECONDS": "0.1"}
    with server.running(data_folder, **settings) as backend:
        until_done(backend, ticking=False)
        rows = backend.sql("SELECT image_id, device_size FROM processed_images")
        assert sorted(rows) == sorted((image_id, "frame") for image_id in uploaded)
        assert Counter(backend.sql("SELECT processing_status, strikes FROM images")) == {("complete", 0): 6}
        states = [row[0] for row in backend.sql("SELECT state FROM executions ORDER BY started_at")]
        assert states[0] == "lost"
        assert set(states[1:]) <= {"succeeded"}


def sidecar(backend: server.BackendServer, claimed: dict[str, Any]) -> dict[str, Any]:
    """Write the sidecar that a task stores before it reports."""
    message = backend.render(claimed)
    return {
        "imageId": claimed["id"],
        "processedAt": "2026-03-31T23:30:00-02:00",
        "results": [
            {
                "deviceSize": row["deviceSize"],
                "width": row["width"],
                "height": row["height"],
                "filePath": row["filePath"],
                "colors": small_photos.PALETTE["allColors"],
                "primary": small_photos.PALETTE["primary"],
                "secondary": small_photos.PALETTE["secondary"],
                "tertiary": small_photos.PALETTE["tertiary"],
                "recipe": row["recipe"],
            }
            for row in message["images"]
        ],
    }


def test_sync_imports_and_archives_sidecars_of_lost_reports(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    image_id, other = backend.upload_photos(2)
    held = {entry["id"]: entry for entry in backend.claim("run/0")}
    name = f"images/metadata/{image_id}.json"
    backend.store(name, json.dumps(sidecar(backend, held[image_id])).encode())
    backend.store(f"images/metadata/{other}.json", b'{"imageId": "broken"')
    backend.store("images/metadata/notes.txt", b"not ours")
    body = backend.admin.post("/api/admin/sync").json()
    assert body == {"found": 2, "imported": 0, "archived": 0, "left": 2}  # the task may still report
    leases = [entry["lease"] for entry in held.values()]
    backend.processor.post("/api/processing/claims/release", json={"leases": leases}).raise_for_status()
    body = backend.admin.post("/api/admin/sync").json()
    assert body == {"found": 2, "imported": 1, "archived": 1, "left": 1}
    assert backend.state(image_id) == "complete"
    assert backend.state(other) == "pending"
    assert backend.sql("SELECT image_id, device_size FROM processed_images") == [(image_id, "frame")]
    assert backend.objects("images/metadata/") == {
        f"images/metadata/archive/2026/04/{image_id}.json",
        f"images/metadata/{other}.json",
        "images/metadata/notes.txt",
    }
    assert other in backend.log_text()
    assert backend.admin.post("/api/admin/sync").json() == {"found": 1, "imported": 0, "archived": 0, "left": 1}


def test_sync_second_concurrent_run_is_409(backend: server.BackendServer) -> None:
    backend.sql("INSERT INTO work_locks (name, holder, until) VALUES ('sync', 'another', ?)", time.time() + 60)
    try:
        assert "sync" in problem(backend.admin.post("/api/admin/sync"), 409)
        backend.sql("UPDATE work_locks SET until = ?", time.time() - 1)  # the holder has died
        assert backend.admin.post("/api/admin/sync").status_code == 200
    finally:
        backend.sql("DELETE FROM work_locks")


def test_tick_requires_processor_or_scheduler_token(data_folder: Path) -> None:
    """With a scheduler account set, the processor token is still accepted, and others are verified as Google's."""
    scheduler = {"TICK_SERVICE_ACCOUNT": "tick@my-photos.iam.gserviceaccount.com", "TICK_AUDIENCE": "https://photos"}
    with server.running(data_folder, **scheduler) as backend:
        assert backend.processor.post(TICK).status_code == 200
        assert problem(backend.anonymous.post(TICK), 401)
        forged = "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6InRpY2sifQ."
        refusal = problem(backend.client(Authorization=f"Bearer {forged}").post(TICK), 403)
        assert "TICK_AUDIENCE" in refusal
        assert forged not in refusal
