"""Running it: health, metrics, the tick by hand, starts that are refused, orderly ends, secrets."""

from __future__ import annotations

import json
import signal
import stat
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import server
from server import problem

WAIT_SECONDS = 60.0
TICK = "/internal/tick"


def until_done(backend: server.BackendServer, *, ticking: bool) -> None:
    """Wait until every image is complete or failed, calling the tick or leaving that to the backend."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if ticking:
            backend.processor.post(TICK).raise_for_status()
        left = backend.sql("SELECT count(*) FROM images WHERE processing_status IN ('pending', 'processing')")
        running = backend.sql("SELECT count(*) FROM executions WHERE state IN ('starting', 'running')")
        if left == running == [(0,)]:
            return
        time.sleep(0.05)
    raise AssertionError(f"not done within {WAIT_SECONDS} s:\n{backend.log_text()}")


def at_once(calls: int, backend: server.BackendServer, path: str) -> list[httpx.Response]:
    """The answers of so many calls with the processor's token, sent together."""
    answers: list[httpx.Response] = []
    clients = [backend.client(Authorization=backend.processor.headers["Authorization"]) for _ in range(calls)]
    barrier = threading.Barrier(calls, timeout=10)

    def post(client: httpx.Client) -> None:
        barrier.wait()
        answers.append(client.post(path))

    threads = [threading.Thread(target=post, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    return answers


# --- Health and numbers -------------------------------------------------------------------------


def test_ready_says_when_the_bucket_is_gone(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        assert backend.anonymous.get("/_ready").json() == {"status": "ready", "device_auth": "required"}
        aside = backend.bucket.rename(data_folder / "elsewhere")
        refused = backend.anonymous.get("/_ready")
        assert "bucket" in problem(refused, 503)
        assert int(refused.headers["retry-after"]) > 0
        assert backend.anonymous.get("/_health").json() == {"status": "ok", "device_auth": "required"}
        problem(backend.admin.post("/api/admin/upload", files={"file": ("x.jpg", server.photo(1))}), 503)
        assert backend.sql("SELECT count(*) FROM images") == [(0,)]  # no row without its object
        if backend.bucket.exists():
            for left in sorted(backend.bucket.rglob("*"), reverse=True):
                left.rmdir()
            backend.bucket.rmdir()
        aside.rename(backend.bucket)
        assert backend.anonymous.get("/_ready").status_code == 200
        assert backend.upload(server.photo(1))["processing_status"] == "pending"


def test_metrics_by_session_or_token(data_folder: Path) -> None:
    with server.running(data_folder, METRICS_TOKEN="a-token-for-the-scraper") as backend:
        backend.upload_photos(2)
        problem(backend.anonymous.get("/metrics"), 401)
        problem(backend.client(Authorization="Bearer wrong").get("/metrics"), 403)
        problem(backend.processor.get("/metrics"), 403)
        scraper = backend.client(Authorization="Bearer a-token-for-the-scraper")
        problem(scraper.get("/api/processing/pending"), 403)
        for client in (scraper, backend.admin):
            page = client.get("/metrics")
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert 'slideshow_images{state="pending"} 2.0' in page.text
            assert 'slideshow_uploads_total{outcome="new"} 2.0' in page.text
            assert 'slideshow_request_seconds_count{method="POST",status="201"} 2.0' in page.text


def test_without_a_metrics_token_none_is_accepted(backend: server.BackendServer) -> None:
    problem(backend.client(Authorization="Bearer x").get("/metrics"), 403)
    problem(backend.client(Authorization="Bearer").get("/metrics"), 401)


def test_status_counts(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    backend.upload_photos(3)
    backend.finish(backend.claim("run/0", limit=1))
    told = backend.admin.get("/api/admin/status").json()
    assert told["images"] == {"pending": 2, "processing": 0, "complete": 1, "failed": 0}
    assert (told["variants"], told["renderedSince"], told["devices"]) == (1, 1, 1)
    assert told["bucket"] == backend.bucket.as_uri()
    later = backend.admin.get("/api/admin/status", params={"since": time.time() + 60}).json()
    assert (later["variants"], later["renderedSince"]) == (1, 0)


# --- The timed work -----------------------------------------------------------------------------


def test_the_tick_by_hand_does_everything_and_twice_at_once_is_harmless(data_folder: Path) -> None:
    """With every loop switched off: real tasks are started, followed, synced, and garbage goes."""
    quick = {"SYNC_INTERVAL_SECONDS": "0.01", "LOCAL_TASKS": "1", "PROCESSOR_JOB_NAME": "frames"}
    with server.running(data_folder, **quick) as backend:
        backend.add_device("wide", 80, 48)
        backend.add_device("tall", 48, 80)
        uploaded = backend.upload_photos(4)
        assert backend.processor.post(TICK).json()["started"] is None  # half a batch waits for its delay
        backend.sql("UPDATE images SET queued_at = 0")
        time.sleep(0.2)
        assert backend.sql("SELECT count(*) FROM executions") == [(0,)]  # nothing happens by itself

        answers = [answer.json() for answer in at_once(6, backend, TICK)]
        started = [told["started"] for told in answers if told["started"]]
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


def test_the_upload_that_fills_a_batch_starts_its_execution_where_no_timer_runs(data_folder: Path) -> None:
    with server.running(data_folder, BATCH_SIZE="2", LOCAL_TASKS="1") as backend:
        backend.upload_photos(1)
        assert backend.sql("SELECT count(*) FROM executions") == [(0,)]
        backend.upload_photos(1, first=1)
        ((state, images),) = backend.sql("SELECT state, images FROM executions")
        assert (state, images) == ("running", 2)
        backend.upload_photos(2, first=2)  # the running task will take them
        assert backend.sql("SELECT count(*) FROM executions") == [(1,)]
        until_done(backend, ticking=True)


def test_a_backend_killed_in_the_middle_of_the_work_finishes_it_when_started_again(data_folder: Path) -> None:
    """With the backend's own timer, and a flush on request."""
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
    assert (data_folder / "backend.json").exists()  # it had no time to remove it
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
    """What a task leaves in the bucket about an image, before it reports."""
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
                "colors": server.PALETTE["allColors"],
                "primary": server.PALETTE["primary"],
                "secondary": server.PALETTE["secondary"],
                "tertiary": server.PALETTE["tertiary"],
                "recipe": row["recipe"],
            }
            for row in message["images"]
        ],
    }


def test_the_sync_imports_what_a_lost_report_left_and_archives_only_that(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    image_id, other = backend.upload_photos(2)
    held = {entry["id"]: entry for entry in backend.claim("run/0")}
    name = f"images/metadata/{image_id}.json"
    backend.store(name, json.dumps(sidecar(backend, held[image_id])).encode())
    backend.store(f"images/metadata/{other}.json", b'{"imageId": "broken"')
    backend.store("images/metadata/notes.txt", b"not ours")
    told = backend.admin.post("/api/admin/sync").json()
    assert told == {"found": 2, "imported": 0, "archived": 0, "left": 2}  # the task may still report
    leases = [entry["lease"] for entry in held.values()]
    backend.processor.post("/api/processing/claims/release", json={"leases": leases}).raise_for_status()
    told = backend.admin.post("/api/admin/sync").json()
    assert told == {"found": 2, "imported": 1, "archived": 1, "left": 1}
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


def test_one_sync_at_a_time(backend: server.BackendServer) -> None:
    backend.sql("INSERT INTO work_locks (name, holder, until) VALUES ('sync', 'another', ?)", time.time() + 60)
    try:
        assert "sync" in problem(backend.admin.post("/api/admin/sync"), 409)
        backend.sql("UPDATE work_locks SET until = ?", time.time() - 1)  # whoever held it has died
        assert backend.admin.post("/api/admin/sync").status_code == 200
    finally:
        backend.sql("DELETE FROM work_locks")


# --- Faults of the database ---------------------------------------------------------------------


def test_a_database_that_fails_is_503_and_tells_no_internals(backend: server.BackendServer) -> None:
    backend.sql("ALTER TABLE images RENAME TO images_gone")
    try:
        for refused in (
            backend.anonymous.get("/_ready"),
            backend.processor.get("/api/processing/pending"),
            backend.admin.post("/api/admin/upload", files={"file": ("x.jpg", server.photo(1))}),
        ):
            told = problem(refused, 503)
            assert "database" in told
            assert "SELECT" not in refused.text
    finally:
        backend.sql("ALTER TABLE images_gone RENAME TO images")
    assert backend.anonymous.get("/_ready").status_code == 200


def test_what_nobody_foresaw_is_500_and_stands_in_the_log(backend: server.BackendServer) -> None:
    image_id = backend.upload_photos(1)[0]
    backend.sql("""UPDATE images SET color_palette = '{"primary": "#102030"}'""")  # a row spoilt by hand
    refused = backend.admin.get(f"/api/images/{image_id}")
    problem(refused, 500)
    assert "KeyError" not in refused.text
    assert "KeyError" in backend.log_text()
    assert backend.anonymous.get("/_health").status_code == 200


# --- Starts and ends ----------------------------------------------------------------------------


def test_a_second_backend_on_the_same_data_is_refused(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        kept = (data_folder / "secrets.json").read_bytes()
        second = server.run_to_end(data_folder)
        assert second.returncode == 1
        assert str(data_folder) in second.stderr
        assert "another backend" in second.stderr
        assert json.loads((data_folder / "backend.json").read_text())["url"] == backend.url
        assert (data_folder / "secrets.json").read_bytes() == kept  # the kept port is still the first one's
        assert backend.anonymous.get("/_health").status_code == 200


def test_wrong_settings_are_all_named_and_exit_2(data_folder: Path) -> None:
    wrong = {
        "PORT": "99999",
        "BATCH_SIZE": "many",
        "DEVICE_AUTH": "maybe",
        "LEASE_SECONDS": "0",
        "BUCKET_URL": "s3://somewhere",
    }
    ended = server.run_to_end(data_folder, **wrong)
    assert ended.returncode == 2
    for name, value in wrong.items():
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith(f"{name}:")]
        assert value in line
    assert "Traceback" not in ended.stderr
    assert not (data_folder / "secrets.json").exists()


def test_outside_embedded_mode_every_missing_secret_is_named(data_folder: Path) -> None:
    ended = server.run_to_end(data_folder, GCS_BUCKET_NAME="a-bucket", ADMIN_PASSWORD=" \n")
    assert ended.returncode == 2
    assert "PROCESSOR_AUTH_TOKEN: missing" in ended.stderr
    assert "ADMIN_PASSWORD: missing" in ended.stderr


def test_a_port_that_is_taken_is_said(data_folder: Path, backend: server.BackendServer) -> None:
    port = backend.url.rpartition(":")[2]
    ended = server.run_to_end(data_folder, PORT=port)
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(data_folder: Path, number: signal.Signals) -> None:
    with server.running(data_folder) as backend:
        assert (data_folder / "backend.json").exists()
        backend.process.send_signal(number)
        assert backend.process.wait(20) == 0
    assert not (data_folder / "backend.json").exists()
    log = backend.log_text()
    assert "stopped" in log
    assert "Traceback" not in log


def test_secrets_are_made_once_and_for_the_owner_only(data_folder: Path) -> None:
    kept = []
    for _ in range(2):
        with server.running(data_folder) as backend:
            kept.append(backend.secrets)
            assert backend.processor.get("/api/processing/pending").status_code == 200
            assert backend.admin.get("/api/images").status_code == 200
        assert stat.S_IMODE((data_folder / "secrets.json").stat().st_mode) == 0o600
        log = backend.log_text()
        assert kept[0]["processor_token"] not in log
        assert kept[0]["admin_password"] not in log
    assert kept[0] == kept[1]  # the port as well
    assert len(kept[0]["processor_token"]) >= 32
    assert sorted(path.name for path in data_folder.glob("secrets.json*")) == ["secrets.json"]


def test_a_data_folder_may_move(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        backend.add_device("frame")
        image_id = backend.upload_photos(1)[0]
        backend.finish(backend.claim("run/0"))
        url = backend.admin.get("/api/devices/frame/slideshow").json()["queue"][0]["url"]
    elsewhere = data_folder.rename(data_folder.with_name("moved data"))
    with server.running(elsewhere) as backend:
        told = backend.admin.get(f"/api/images/{image_id}").json()
        assert told["filePath"] == f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg"
        assert told["variants"][0]["filePath"].startswith(f"{backend.bucket.as_uri()}/processed/frame/")
        assert backend.anonymous.get(url).status_code == 200
        assert backend.upload(server.photo(0))["duplicate"] is True


def test_damaged_secrets_stop_the_start_with_a_sentence(data_folder: Path) -> None:
    data_folder.mkdir()
    (data_folder / "secrets.json").write_text('{"processor_token": ')
    ended = server.run_to_end(data_folder)
    assert ended.returncode == 2
    assert str(data_folder / "secrets.json") in ended.stderr
    assert "Traceback" not in ended.stderr


def test_given_secrets_count_without_surrounding_space_and_the_previous_token_beside_them(data_folder: Path) -> None:
    given = {
        "PROCESSOR_AUTH_TOKEN": "the-new-token-of-the-tasks\n",
        "PROCESSOR_AUTH_TOKEN_PREVIOUS": " the-old-token-of-the-tasks ",
        "ADMIN_PASSWORD": "a password with spaces\n",
    }
    with server.running(data_folder, **given) as backend:
        for token in ("the-new-token-of-the-tasks", "the-old-token-of-the-tasks"):
            client = backend.client(Authorization=f"Bearer {token}")
            assert client.get("/api/processing/pending").status_code == 200
        problem(backend.processor.get("/api/processing/pending"), 403)  # the one made on the spot counts no more
        password = {"password": "a password with spaces"}
        assert backend.client().post("/login", json=password).status_code == 200
        log = backend.log_text()
        assert not any(secret.strip() in log for secret in given.values())
