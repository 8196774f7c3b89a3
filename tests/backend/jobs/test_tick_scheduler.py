"""Scheduling a tick with Cloud Tasks: once per batch, within its time limit, and never an error for the caller."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from backend.jobs.tick_scheduler import CREATE_SECONDS, CloudTasksScheduler, WaitingPhoto, task_name
from backend.settings import Settings
from emulators.cloud_tasks.queue import EmulatedQueue
from emulators.cloud_tasks.server import running_queue

pytestmark = pytest.mark.server

QUEUE = "projects/my-photos-1/locations/us-central1/queues/slideshow-ticks"
URL = "https://backend.example"
ACCOUNT = "slideshow-scheduler@my-photos-1.iam.gserviceaccount.com"
OLDEST = WaitingPhoto("0" * 32, 1_800_000_000.25)


def scheduler(endpoint: str, queue: str = QUEUE) -> CloudTasksScheduler:
    settings = Settings(
        gcp_project_id="my-photos-1",
        cloud_tasks_queue=queue.rpartition("/")[2],
        tick_service_account=ACCOUNT,
        tick_audience=URL,
        cloud_tasks_endpoint=endpoint,
    )
    return CloudTasksScheduler(settings, URL)


@pytest.fixture
def queue() -> Iterator[tuple[EmulatedQueue, str]]:
    emulated = EmulatedQueue(QUEUE)
    with running_queue(emulated) as endpoint:
        yield emulated, endpoint


def schedule(made: CloudTasksScheduler, *oldest: WaitingPhoto) -> None:
    async def act() -> None:
        for photo in oldest:
            await made.schedule(photo, time.time() + 30)

    asyncio.run(act())
    made.close()


def test_uploads_of_one_batch_make_one_task(queue: tuple[EmulatedQueue, str]) -> None:
    emulated, endpoint = queue
    for _ in range(2):  # two processes: the second is answered ALREADY_EXISTS
        schedule(scheduler(endpoint), *[OLDEST] * 3)
    assert emulated.created == [f"{QUEUE}/tasks/{task_name(OLDEST)}"]


def test_another_oldest_photo_or_time_makes_another_task(queue: tuple[EmulatedQueue, str]) -> None:
    emulated, endpoint = queue
    others = [WaitingPhoto("1" * 32, OLDEST.queued_at), WaitingPhoto(OLDEST.image_id, OLDEST.queued_at + 1e-3)]
    schedule(scheduler(endpoint), OLDEST, *others)
    assert len(set(emulated.created)) == 3


def test_rejected_task_is_logged_and_tried_again_with_the_next_upload(
    queue: tuple[EmulatedQueue, str], caplog: pytest.LogCaptureFixture
) -> None:
    emulated, endpoint = queue
    made = scheduler(endpoint)

    async def act() -> None:
        emulated.missing = {"iam.serviceAccounts.actAs"}
        await made.schedule(OLDEST, time.time() + 30)
        assert emulated.created == []
        emulated.missing = set()
        await made.schedule(OLDEST, time.time() + 30)

    with caplog.at_level(logging.WARNING):
        asyncio.run(act())
    made.close()
    (record,) = caplog.records
    assert "iam.serviceAccounts.actAs" in record.getMessage()
    assert len(emulated.created) == 1


def test_queue_that_does_not_exist_is_logged(
    queue: tuple[EmulatedQueue, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        schedule(scheduler(queue[1], QUEUE.replace("ticks", "other")), OLDEST)
    assert "Queue does not exist" in caplog.text


def test_server_that_never_answers_holds_an_upload_for_the_time_limit_only(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            schedule(scheduler(f"grpc://127.0.0.1:{silent.getsockname()[1]}"), OLDEST)
        assert time.monotonic() - began < CREATE_SECONDS + 2
    assert "next minute" in caplog.text
