"""`python -m processor` against the real backend: over HTTP, into its database and its bucket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import server as harness
from tests.support.task_world import jpeg

pytestmark = pytest.mark.server

DEVICES = {"wide one": (160, 96), "tall": (60, 100)}
HALF = ("tall/half", (60, 49))
"""Split-screen variant of the tall device: two landscapes above each other, with a gutter of two pixels."""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Any]:
    with harness.running(tmp_path / "data", LEASE_SECONDS="3") as running:
        for name, (width, height) in DEVICES.items():
            running.add_device(name, width, height)
        yield running


def start(backend: Any, index: int = 0, count: int = 1, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "processor"],
        env={
            **os.environ,
            "BUCKET_URL": backend.bucket.as_uri(),
            "BACKEND_API_URL": backend.url,
            "BACKEND_AUTH_TOKEN": backend.secrets["processor_token"],
            "CLOUD_RUN_EXECUTION": "run-by-a-test",
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(count),
            "SLIDESHOW_LOCAL_TASK": "1",
            "RENDER_THREADS": "1",
            **environ,
        },
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=60)[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def settle(backend: Any, quiet_seconds: float = 1.0) -> None:
    """Wait until the last requests of a killed task are answered, so that nothing changes for a while."""
    deadline = time.monotonic() + 20
    before, since = None, time.monotonic()
    while time.monotonic() - since < quiet_seconds:
        assert time.monotonic() < deadline
        now = backend.sql("SELECT id, attempts, attempt_open, processing_status FROM images ORDER BY id")
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.05)


def test_two_tasks_complete_each_photo_once_and_name_the_failure(backend: Any) -> None:
    backend.add_device("tall", 60, 100, pairing=True, gap=2)
    ids = [backend.upload(jpeg(number), f"photo {number}.jpg")["id"] for number in range(8)]
    whole = jpeg(50, 900, 600)
    broken = backend.upload(whole[: len(whole) // 2], "cut.jpg")["id"]
    tasks = [start(backend, index, 2) for index in range(2)]
    said = [finish(task) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    states = dict(backend.sql("SELECT processing_status, count(*) FROM images GROUP BY 1"))
    assert states == {"complete": 8, "failed": 1}, said
    ((error,),) = backend.sql("SELECT processing_error FROM images WHERE id = ?", broken)
    assert error.startswith("cut.jpg ")
    rows = backend.sql("SELECT image_id, device_size, file_path, width, height FROM processed_images")
    assert sorted((image, device) for image, device, *_ in rows) == sorted(
        (image, device) for image in ids for device in (*DEVICES, HALF[0])
    )
    for _, device, uri, width, height in rows:
        assert (width, height) == {**DEVICES, HALF[0]: HALF[1]}[device]
        assert (backend.bucket / uri.removeprefix(backend.bucket.as_uri() + "/")).is_file()
    assert backend.sql("SELECT max(attempts), max(strikes) FROM images") == [(1, 0)]
    assert len(backend.objects("images/metadata/")) == 8
    assert len(backend.objects("images/thumbnails/")) == 8


def test_stopped_task_returns_its_images_to_the_next(backend: Any) -> None:
    for number in range(10):
        backend.upload(jpeg(number, 2400, 1600), f"photo {number}.jpg")
    first = start(backend)
    deadline = time.monotonic() + 20
    while not backend.sql("SELECT 1 FROM images WHERE attempts > 0"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    said = finish(first)
    assert first.returncode == 0, said
    assert not backend.sql("SELECT 1 FROM images WHERE processing_status = 'processing'"), said
    second = start(backend, CLOUD_RUN_TASK_ATTEMPT="1")
    said = finish(second)
    assert second.returncode == 0, said
    assert backend.sql("SELECT DISTINCT processing_status, attempts, strikes FROM images") == [("complete", 1, 0)]


def test_killed_task_images_are_rendered_in_the_sandbox(backend: Any) -> None:
    """The death of a task counts as no crash, but quarantines its images, which then complete."""
    for number in range(3):
        backend.upload(jpeg(number, 4000, 3000), f"photo {number}.jpg")
    first = start(backend)
    deadline = time.monotonic() + 20
    while not backend.sql("SELECT 1 FROM images WHERE attempt_open"):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    first.kill()
    finish(first)
    settle(backend)
    begun = backend.sql("SELECT count(*) FROM images WHERE attempt_open AND processing_status = 'processing'")[0][0]
    second = start(backend, CLOUD_RUN_TASK_ATTEMPT="1")
    said = finish(second)
    assert second.returncode == 0, said
    assert "CLOUD_RUN_TASK_ATTEMPT" in said
    assert dict(backend.sql("SELECT processing_status, count(*) FROM images GROUP BY 1")) == {"complete": 3}, said
    assert backend.sql("SELECT sum(strikes), sum(attempts) FROM images") == [(0, 3 + begun)]
    assert backend.sql("SELECT count(*) FROM processed_images") == [(3 * len(DEVICES),)]
