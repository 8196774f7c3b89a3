"""The backend with an emulated Cloud Run job over HTTP, without timer: manual ticks and real tasks."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.model import LOST, Fault
from emulators.cloud_run.server import JobsServer, running_jobs_server
from tests.support import server
from tests.support.cloud_world import JOB
from tests.support.ticks import TICK, WAIT_SECONDS, at_once, until_done

pytestmark = pytest.mark.server


@contextlib.contextmanager
def cloud(data: Path, log: Path, **more: str) -> Iterator[tuple[JobsServer, dict[str, str], dict[str, str]]]:
    """Return a job, the settings of a backend that executes it, and the incomplete environment of its tasks."""
    _, project, _, region, _, job = JOB.split("/")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "NUMBA_CACHE_DIR") if name in os.environ}
    environment = {**inherited, "BUCKET_URL": (data / "bucket").as_uri(), "RENDER_THREADS": "1"}
    definition = JobDefinition(
        command=[sys.executable, "-m", "processor"], environment=environment, folder=str(server.ROOT)
    )
    with log.open("ab") as output, running_jobs_server(JOB, definition, output=output, start_seconds=0.2) as jobs:
        settings = {
            "GCP_PROJECT_ID": project,
            "GCP_REGION": region,
            "PROCESSOR_JOB_NAME": job,
            "CLOUD_RUN_ENDPOINT": jobs.grpc_url,
            "SYNC_INTERVAL_SECONDS": "0.01",
        }
        yield jobs, settings, environment


def deploy(environment: dict[str, str], backend: server.BackendServer) -> None:
    """Set the backend's address in the environment of the tasks, as the job's definition does."""
    environment["BACKEND_API_URL"] = backend.url
    environment["BACKEND_AUTH_TOKEN"] = backend.secrets["processor_token"]


def test_tick_concurrent_calls_run_the_job_once(data_folder: Path, tmp_path: Path) -> None:
    """The response to the start is lost, and the backend is killed while its task runs."""
    with cloud(data_folder, tmp_path / "tasks.log") as (jobs, settings, environment):
        with server.running(data_folder, **settings) as backend:
            deploy(environment, backend)
            backend.add_device("wide", 80, 48)
            uploaded = backend.upload_photos(3)
            at_once(2, backend, TICK)
            assert backend.sql("SELECT name FROM executions") == []
            jobs.model.faults.append(Fault("RunJob", LOST))
            backend.sql("UPDATE images SET queued_at = 0")
            started = [report["started"] for report in (answer.json() for answer in at_once(4, backend, TICK))]
            started = [name for name in started if name]
            assert len(started) == 1
            assert len(jobs.model.executions) == 1, "the start was found, and not repeated"
            backend.process.send_signal(signal.SIGKILL)
            backend.process.wait(10)
        with server.running(data_folder, **settings) as backend:
            until_done(backend, ticking=True)
            at_once(4, backend, TICK)
            ((name, state, retries, cloud_name),) = backend.sql(
                "SELECT name, state, retries, cloud_execution FROM executions"
            )
            assert (name, state, retries) == (started[0], "succeeded", 0)
            assert cloud_name == jobs.model.executions[0].name
            assert backend.sql("SELECT id, processing_status, strikes FROM images ORDER BY id") == [
                (image_id, "complete", 0) for image_id in sorted(uploaded)
            ]
            assert {row[0].partition("/")[0] for row in backend.sql("SELECT lease_owner FROM images")} == {
                cloud_name.rpartition("/")[2]
            }
            assert len(backend.objects("images/metadata/archive/")) == 3
            (shown,) = backend.admin.get("/api/admin/status").json()["executions"]
            assert shown["cloudExecution"] == cloud_name
            for secret in (backend.secrets["processor_token"], backend.secrets["admin_password"]):
                assert secret not in backend.log_text()
                assert secret not in str(jobs.model.requests)


def test_job_start_denied_is_reported_and_duplicate_is_harmless(data_folder: Path, tmp_path: Path) -> None:
    with cloud(data_folder, tmp_path / "tasks.log") as (jobs, settings, environment):
        jobs.model.faults.append(Fault("RunJob", "PERMISSION_DENIED"))
        with server.running(data_folder, **settings) as backend:
            deploy(environment, backend)
            backend.add_device("wide", 80, 48)
            backend.upload_photos(6)
            backend.sql("UPDATE images SET queued_at = 0")
            reason = backend.processor.post(TICK).json()["reason"]
            (shown,) = backend.admin.get("/api/admin/status").json()["executions"]
            assert shown["state"] == "failed"
            for text in (reason, shown["error"], backend.log_text()):
                assert "roles/run.jobsExecutorWithOverrides" in text
            assert set(backend.sql("SELECT processing_status FROM images")) == {("pending",)}
            backend.sql("UPDATE executions SET finished_at = finished_at - 100")  # its back-off has passed
            # The start was accepted, its response lost, and listing fails: a second execution runs next to the first.
            jobs.model.faults.extend([Fault("RunJob", LOST), Fault("ListExecutions", "PERMISSION_DENIED")])
            assert backend.processor.post(TICK).json()["started"]
            assert len(jobs.model.executions) == 2
            jobs.model.faults.extend(
                [Fault("GetOperation", "PERMISSION_DENIED"), Fault("GetExecution", "PERMISSION_DENIED")]
            )
            (error,) = backend.processor.post(TICK).json()["errors"]
            assert "roles/run.viewer" in error
            assert "roles/run.viewer" in backend.admin.get("/api/admin/status").json()["lastError"]
            until_done(backend, ticking=True)
            deadline = time.monotonic() + WAIT_SECONDS
            while not all(execution.done for execution in jobs.model.executions):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert [execution.failure for execution in jobs.model.executions] == [None, None]
            assert set(backend.sql("SELECT processing_status, attempts, strikes FROM images")) == {("complete", 1, 0)}
            assert backend.sql("SELECT count(*) FROM processed_images") == [(6,)]


@pytest.mark.parametrize("endpoint", ["http://run.example.org", "grpc://10.0.0.1:80", "http://127.0.0.1/x", "nonsense"])
def test_cloud_run_endpoint_without_credentials_must_be_local(data_folder: Path, endpoint: str) -> None:
    ended = server.run_to_end(data_folder, CLOUD_RUN_ENDPOINT=endpoint)
    assert ended.returncode == 2
    assert "CLOUD_RUN_ENDPOINT" in ended.stderr
