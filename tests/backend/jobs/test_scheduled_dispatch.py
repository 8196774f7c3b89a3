"""A batch is dispatched after the flush delay without any timer: Cloud Tasks calls the tick.

The backend, Cloud Run and Cloud Tasks talk over gRPC and HTTP as deployed, but both services are emulators.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import JobsServer, running_jobs_server
from emulators.cloud_tasks.queue import EmulatedQueue
from emulators.cloud_tasks.server import running_queue
from tests.support import server
from tests.support.cloud_world import JOB

pytestmark = pytest.mark.server

DELAY = 3.0
QUEUE = "slideshow-ticks"
TOLERANCE = 5.0
"""Seconds: the promise is the flush delay, give or take this."""


class Deployment:
    """A backend without a timer, and the emulators that it calls."""

    def __init__(self, backend: server.BackendServer, jobs: JobsServer, queue: EmulatedQueue) -> None:
        self.backend = backend
        self.jobs = jobs
        self.queue = queue

    def starts(self) -> int:
        return len(self.jobs.model.executions)

    def wait_for_starts(self, number: int, seconds: float) -> float:
        """Return after how long there were `number` starts; fail after `seconds`."""
        began = time.monotonic()
        while self.starts() < number:
            assert time.monotonic() < began + seconds, f"{self.starts()} starts\n{self.backend.log_text()}"
            time.sleep(0.02)
        return time.monotonic() - began


@contextlib.contextmanager
def deployed(data: Path, *, queue_answers: bool = True, **more: str) -> Iterator[Deployment]:
    _, project, _, region, _, job = JOB.split("/")
    with contextlib.ExitStack() as stack:
        jobs = stack.enter_context(running_jobs_server(JOB, JobDefinition(command=["true"], environment={}, tasks=10)))
        token: list[str] = []
        queue = EmulatedQueue(f"projects/{project}/locations/{region}/queues/{QUEUE}", token=lambda *_: token[0])
        endpoint = stack.enter_context(running_queue(queue)) if queue_answers else "grpc://127.0.0.1:9"
        settings = {
            "GCP_PROJECT_ID": project,
            "GCP_REGION": region,
            "PROCESSOR_JOB_NAME": job,
            "CLOUD_RUN_ENDPOINT": jobs.grpc_url,
            "CLOUD_TASKS_QUEUE": QUEUE,
            "CLOUD_TASKS_ENDPOINT": endpoint,
            "TICK_SECONDS": "0",
            "TICK_SERVICE_ACCOUNT": f"tick@{project}.iam.gserviceaccount.com",
            "TICK_AUDIENCE": "https://photos.example",
            "FLUSH_DELAY_SECONDS": str(DELAY),
            **more,
        }
        backend = stack.enter_context(server.running(data, **settings))
        # Emulated deliveries carry the processor token, since only Google can sign one for a service account.
        token.append(backend.secrets["processor_token"])
        yield Deployment(backend, jobs, queue)


def test_one_photo_is_dispatched_after_the_flush_delay(data_folder: Path) -> None:
    with deployed(data_folder) as deployment:
        deployment.backend.upload_photos(1)
        began = time.monotonic()
        waited = deployment.wait_for_starts(1, DELAY + TOLERANCE)
        assert waited > DELAY - 1
        assert len(deployment.queue.created) == 1
        assert [delivery.status for delivery in deployment.queue.deliveries] in ([200], [])
        time.sleep(max(0.0, began + DELAY + 2 - time.monotonic()))
        assert deployment.starts() == 1
        assert [delivery.status for delivery in deployment.queue.deliveries] == [200]


def test_uploads_of_one_batch_make_one_task_and_one_start(data_folder: Path) -> None:
    with deployed(data_folder) as deployment:
        for number in range(8):
            deployment.backend.upload_photos(1, first=number)
        deployment.wait_for_starts(1, DELAY + TOLERANCE)
        assert len(deployment.queue.created) == 1


def test_full_batch_starts_at_once_and_the_photo_after_it_waits_no_longer_than_the_delay(data_folder: Path) -> None:
    """The photo that comes while the full batch is still unclaimed has another oldest photo before it."""
    with deployed(data_folder, BATCH_SIZE="4") as deployment:
        backend = deployment.backend
        backend.add_device("frame")
        backend.upload_photos(4)
        assert deployment.starts() == 1
        backend.upload_photos(1, first=4)  # the first four are not claimed yet
        uploaded = time.monotonic()
        backend.finish(work for work in backend.claim("x/0", limit=4))
        deployment.wait_for_starts(2, 2 * DELAY + TOLERANCE)
        assert time.monotonic() - uploaded < DELAY + TOLERANCE
        assert backend.sql("SELECT count(*) FROM images WHERE processing_status = 'pending'") == [(1,)]


def test_dead_queue_leaves_the_photo_to_the_next_tick(data_folder: Path) -> None:
    with deployed(data_folder, queue_answers=False) as deployment:
        began = time.monotonic()
        deployment.backend.upload_photos(1)
        assert time.monotonic() - began < 2 * TOLERANCE
        time.sleep(DELAY + 0.5)
        assert deployment.starts() == 0
        report: dict[str, Any] = deployment.backend.processor.post("/internal/tick").raise_for_status().json()
        assert report["started"]
        assert deployment.starts() == 1


@pytest.mark.long
def test_promise_of_thirty_seconds_holds_without_cpu_between_requests(data_folder: Path) -> None:
    """The backend is stopped by SIGSTOP between requests, as a service without allocated CPU is."""
    with deployed(data_folder, FLUSH_DELAY_SECONDS="30") as deployment:
        process = deployment.backend.process
        began = time.monotonic()
        for number in range(40):
            due = began + number * 0.5
            time.sleep(max(0.0, due - time.monotonic()))
            process.send_signal(signal.SIGCONT)
            deployment.backend.upload_photos(1, first=number)
            process.send_signal(signal.SIGSTOP)
        assert len(deployment.queue.created) == 1
        try:
            while time.monotonic() < began + 29:
                time.sleep(0.1)
            assert deployment.starts() == 0
            os.kill(process.pid, signal.SIGCONT)  # the delivery of the task gives the service CPU
            deployment.wait_for_starts(1, began + 35 - time.monotonic())
        finally:
            process.send_signal(signal.SIGCONT)
        assert deployment.starts() == 1
        assert len(deployment.queue.created) == 1
