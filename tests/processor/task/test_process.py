"""`python -m processor` as a process: exit codes, signals, an orphan, its log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.__main__ import leave
from processor.pool.process import EXIT_CODE, watch_parent
from tests.support.claims_server import Fault
from tests.support.task_world import World

pytestmark = pytest.mark.server


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def finish(process: subprocess.Popen[str], seconds: float = 30.0) -> str:
    """Return the standard error of the process, which is killed if it does not end."""
    try:
        return process.communicate(timeout=seconds)[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_process_renders_all_photos_and_exits_with_0(world: World) -> None:
    world.add_photos(4)
    process = world.start_process()
    said = finish(process)
    assert process.returncode == 0, said
    assert world.server.states() == {"complete": 4}
    assert "first claim answered" in said
    assert "CLOUD_RUN_TASK_ATTEMPT" not in said
    assert "complete=4" in said


def test_process_retried_logs_its_attempt_and_no_token(world: World) -> None:
    process = world.start_process(CLOUD_RUN_TASK_ATTEMPT="2", BACKEND_AUTH_TOKEN="a-token-that-is-wrong")
    said = finish(process)
    assert process.returncode == 1
    assert "CLOUD_RUN_TASK_ATTEMPT" in said
    assert "BACKEND_AUTH_TOKEN here and PROCESSOR_AUTH_TOKEN" in said
    assert "a-token-that-is-wrong" not in said


def test_process_without_cloud_credentials_exits_with_1(world: World) -> None:
    process = world.start_process(BUCKET_URL="gs://some-bucket", GOOGLE_APPLICATION_CREDENTIALS="/nowhere/key.json")
    said = finish(process)
    assert process.returncode == 1
    assert "gs://some-bucket cannot be used" in said
    assert "gcloud auth application-default login" in said
    assert world.server.calls == []


def test_process_unusable_bucket_exits_with_1(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    process = world.start_process(BUCKET_URL=f"file://{tmp_path}/file")
    said = finish(process)
    assert process.returncode == 1
    assert "cannot be used" in said
    assert world.server.calls == []


def test_process_sigterm_finishes_or_returns_images(world: World) -> None:
    photos = world.add_photos(6)
    # Two images hang longer than a stop waits; the others are complete by then or not started.
    for photo in photos[:2]:
        world.server.fault(f"{photo.id}/start", Fault(stall_seconds=30))
    process = world.start_process()
    wait_until(lambda: sum(call[1].endswith("/start") for call in world.server.calls) >= 2)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    said = finish(process, 15)
    assert process.returncode == 0, said
    assert time.monotonic() - began < 10
    assert "processing" not in world.server.states()
    assert {photo.state for photo in photos[:2]} == {"pending"}
    assert "returned" in said


def test_process_sigint_finishes_or_returns_images(world: World) -> None:
    photos = world.add_photos(6)
    world.server.fault("/start", Fault(stall_seconds=0.5))
    process = world.start_process()
    wait_until(lambda: any(call[1].endswith("/start") for call in world.server.calls))
    process.send_signal(signal.SIGINT)
    said = finish(process, 15)
    assert process.returncode == 0, said
    assert "stop requested" in said
    assert "processing" not in world.server.states()
    assert all(photo.reports == (photo.state == "complete") for photo in photos)


def test_process_sigterm_during_start_exits_with_0(world: World) -> None:
    world.add_photos(2)
    process = world.start_process()
    assert process.stderr is not None
    assert "task 0 of 1" in process.stderr.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = finish(process)
    assert process.returncode == 0, said
    assert "processing" not in world.server.states()


def test_leave_with_stuck_thread_ends_the_process() -> None:
    ended: list[int] = []
    assert leave(0, False, ended.append) == 0
    assert ended == []
    leave(1, True, ended.append)
    assert ended == [1]


def test_process_orphaned_ends_at_once(world: World) -> None:
    """An intermediate process starts the task, passes its own id as the parent, and dies."""
    (photo,) = world.add_photos(1)
    world.server.fault("/start", Fault(stall_seconds=30))
    between = (
        "import os, subprocess, sys\n"
        "environ = {**os.environ, 'SLIDESHOW_PARENT_PID': str(os.getpid())}\n"
        "child = subprocess.Popen([sys.executable, '-m', 'processor'], env=environ, stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    environ = {
        **os.environ,
        "BUCKET_URL": world.bucket.url,
        "BACKEND_API_URL": world.server.url,
        "BACKEND_AUTH_TOKEN": "a-token-for-the-tests",
        "SLIDESHOW_LOCAL_TASK": "1",
    }
    parent = subprocess.Popen(
        [sys.executable, "-c", between], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    )
    assert parent.stdout is not None
    task = int(parent.stdout.readline())
    try:
        wait_until(lambda: any(call[1].endswith("/start") for call in world.server.calls))
        assert _runs(task)
        parent.kill()
        parent.wait(5)
        wait_until(lambda: not _runs(task), 5)
    finally:
        parent.kill()
        parent.communicate(timeout=5)
        with contextlib.suppress(ProcessLookupError):
            os.kill(task, signal.SIGKILL)
    assert photo.state == "processing"  # its lease will end


def _runs(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_watch_parent_other_parent_ends_the_process() -> None:
    ended: list[int] = []
    watch_parent(os.getppid() + 1, check_seconds=0.01, end=ended.append).join(5)
    assert ended == [EXIT_CODE]


def test_watch_parent_same_parent_keeps_running() -> None:
    ended = threading.Event()
    thread = watch_parent(os.getppid(), check_seconds=0.01, end=lambda code: ended.set())
    assert not ended.wait(0.1)
    assert thread.daemon
    assert thread.is_alive()


def test_two_processes_render_each_photo_once(world: World) -> None:
    photos = world.add_photos(16)
    processes = [world.start_process(CLOUD_RUN_TASK_INDEX=str(index), CLOUD_RUN_TASK_COUNT="2") for index in range(2)]
    said = [finish(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert [(photo.state, photo.attempts, photo.reports) for photo in photos] == [("complete", 1, 1)] * 16


def test_process_killed_leaves_its_photos_to_the_next(world: World) -> None:
    photos = world.add_photos(6)
    world.server.lease_seconds = 1.0
    world.server.fault("/start", *[Fault(stall_seconds=5)] * 2)
    first = world.start_process()
    wait_until(lambda: any(call[1].endswith("/start") for call in world.server.calls))
    first.kill()
    finish(first)
    time.sleep(1.1)
    world.server.faults.clear()
    world.server.lease_seconds = 30.0
    second = world.start_process(CLOUD_RUN_TASK_ATTEMPT="1")
    said = finish(second)
    assert second.returncode == 0, said
    assert {photo.state for photo in photos} == {"complete"}
    assert all(photo.reports == 1 for photo in photos)
