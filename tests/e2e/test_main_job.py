"""The whole system: a backend process, task processes and files, also when processes are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import pyvips

from tests.support import server

pytestmark = pytest.mark.server

DEVICES = [("small-landscape", 800, 480), ("medium-landscape", 1024, 600), ("small-portrait", 480, 800)]
PHOTOS = 16


def sample(number: int) -> bytes:
    """Return a JPEG of 2 megapixels whose structure and colours differ by `number`."""
    random = np.random.default_rng(number)
    small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = pyvips.Image.new_from_array(small, interpretation="srgb").resize(100, kernel="cubic")
    noise = pyvips.Image.gaussnoise(image.width, image.height, sigma=12, mean=0, seed=number)
    jpeg: bytes = (image + noise).cast("uchar").copy(interpretation="srgb").jpegsave_buffer(Q=88)
    return jpeg


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    return [sample(number) for number in range(PHOTOS)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


WORKING = {"TICK_SECONDS": "0.2", "FLUSH_DELAY_SECONDS": "0.5", "LEASE_SECONDS": "3", "LOCAL_TASKS": "2"}


def add_devices_and_photos(backend: server.BackendServer, photos: list[bytes]) -> None:
    for name, width, height in DEVICES:
        backend.add_device(name, width, height)
    for number, photo in enumerate(photos):
        backend.upload(photo, f"photo-{number}.jpg")


def wait_until(condition: Callable[[], bool], seconds: float, describe: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {describe()}"
        time.sleep(0.05)


def states(backend: server.BackendServer) -> dict[str, int]:
    return {
        str(row[0]): int(row[1])
        for row in backend.sql("SELECT processing_status, count(*) FROM images GROUP BY processing_status")
    }


def check_all_complete(backend: server.BackendServer, seconds: float = 60) -> None:
    """Check that all photos are complete within `seconds`: one row per image and device, with a file of its size."""
    wait_until(
        lambda: states(backend) == {"complete": PHOTOS}, seconds, lambda: (states(backend), backend.log_text()[-3000:])
    )
    rows = backend.sql("SELECT image_id, device_size, width, height, file_path FROM processed_images")
    assert len(rows) == len({row[:2] for row in rows}) == PHOTOS * len(DEVICES)
    sizes = {name: (width, height) for name, width, height in DEVICES}
    for _, key, width, height, uri in rows:
        path = Path(unquote(urlsplit(str(uri)).path))
        variant = pyvips.Image.new_from_file(str(path))
        assert (variant.width, variant.height) == (width, height) == sizes[str(key)]
    assert backend.sql("SELECT count(*) FROM images WHERE strikes > 0 OR processing_error IS NOT NULL") == [(0,)]


def is_half_done(backend: server.BackendServer) -> bool:
    counts = states(backend)
    return counts.get("complete", 0) >= 2 and counts.get("processing", 0) >= 1


def task_pids(backend: server.BackendServer) -> list[int]:
    return [int(row[0]) for row in backend.sql("SELECT pid FROM local_tasks WHERE task_index >= 0")]


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_main_job_with_a_killed_backend_completes_all_photos(data: Path, photos: list[bytes]) -> None:
    first = server.start(data, **WORKING)
    try:
        add_devices_and_photos(first, photos)
        wait_until(lambda: is_half_done(first), 60, first.log_text)
        tasks = task_pids(first)
        first.process.kill()
        first.process.wait(10)
        wait_until(lambda: not any(alive(pid) for pid in tasks), 5, lambda: "a task runs longer than its backend")
    finally:
        first.stop()
    with server.running(data, **WORKING) as second:
        check_all_complete(second)
        lost = second.sql("SELECT count(*) FROM executions WHERE state = 'lost'")
        assert lost[0][0] >= 1


def test_main_job_with_a_killed_task_completes_all_photos(data: Path, photos: list[bytes]) -> None:
    with server.running(data, **WORKING) as backend:
        add_devices_and_photos(backend, photos)
        wait_until(lambda: is_half_done(backend), 60, backend.log_text)
        os.kill(task_pids(backend)[0], signal.SIGKILL)
        check_all_complete(backend)
        wait_until(
            lambda: backend.sql("SELECT count(*) FROM executions WHERE finished_at IS NULL") == [(0,)],
            20,
            backend.log_text,
        )
        assert backend.sql("SELECT sum(retries), count(*) FILTER (WHERE state != 'succeeded') FROM executions") == [
            (1, 0)
        ]
        assert "CLOUD_RUN_TASK_ATTEMPT" in backend.log_text()


def test_main_job_with_images_reset_by_sql_completes_all_photos(data: Path, photos: list[bytes]) -> None:
    with server.running(data, **WORKING) as backend:
        add_devices_and_photos(backend, photos)
        for _ in range(3):
            wait_until(lambda: is_half_done(backend) or states(backend) == {"complete": PHOTOS}, 60, backend.log_text)
            backend.sql("UPDATE images SET processing_status='pending' WHERE processing_status='processing'")
            time.sleep(0.3)
        check_all_complete(backend)


@contextlib.contextmanager
def execution(backend: server.BackendServer, name: str, tasks: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start an execution as Cloud Run does, without the backend's runner; yield its tasks."""
    running = []
    for index in range(tasks):
        environment = server.environment(
            backend.data,
            {
                "BUCKET_URL": backend.bucket.as_uri(),
                "BACKEND_API_URL": backend.url,
                "BACKEND_AUTH_TOKEN": backend.secrets["processor_token"],
                "CLOUD_RUN_EXECUTION": name,
                "CLOUD_RUN_TASK_INDEX": str(index),
                "CLOUD_RUN_TASK_COUNT": str(tasks),
                "RENDER_THREADS": "1",
                "SLIDESHOW_LOCAL_TASK": "1",
            },
        )
        running.append(subprocess.Popen([sys.executable, "-m", "processor"], cwd=server.ROOT, env=environment))
    try:
        yield running
    finally:
        for task in running:
            if task.poll() is None:
                task.kill()
            task.wait(10)


def test_main_job_with_two_executions_renders_each_image_once(data: Path, photos: list[bytes]) -> None:
    with server.running(data) as backend:
        add_devices_and_photos(backend, photos)
        with execution(backend, "one", 2) as one, execution(backend, "two", 2) as two:
            assert [task.wait(90) for task in one + two] == [0, 0, 0, 0]
        check_all_complete(backend, 5)
        assert backend.sql("SELECT count(*), sum(attempts) FROM images") == [(PHOTOS, PHOTOS)]
        owners = {row[0] for row in backend.sql("SELECT DISTINCT lease_owner FROM images")}
        assert len(owners) > 1, "one task processed all images"
