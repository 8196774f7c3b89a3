"""Images are returned to the backend if the machine has no process, thread or memory left."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from processor.errors import is_resource_shortage
from processor.pool.render_pool import RenderPool
from processor.pool.sandbox import SandboxSettings
from processor.task.image_job import Outcome
from processor.task.loop import Task
from tests.support.task_world import SHARES, World, jpeg, render_in_pool

pytestmark = pytest.mark.server


def fail_first_start(monkeypatch: pytest.MonkeyPatch, prefix: str, error: BaseException) -> list[str]:
    """Fail the start of the first thread whose name begins with `prefix`; return the names of failed threads."""
    start = threading.Thread.start
    failed: list[str] = []

    def failing_start(thread: threading.Thread) -> None:
        if thread.name.startswith(prefix) and not failed:
            failed.append(thread.name)
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", failing_start)
    return failed


def test_sandbox_that_cannot_start_returns_the_image(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    suspect = world.add(jpeg(3), "suspect.jpg", suspect=True)
    code, task = world.run(sandbox=SandboxSettings(command=(str(tmp_path / "no-such-python"),)))
    assert code == 1  # it is permanent, so the task ends after some attempts
    assert "in a row" in caplog.text
    assert "no-such-python" in caplog.text
    assert set(task.counts) == {Outcome.HANDED_BACK}
    assert (suspect.state, suspect.strikes, suspect.error) == ("pending", 0, "")


def test_sandbox_that_starts_later_completes_the_image(world: World, tmp_path: Path) -> None:
    suspect = world.add(jpeg(3), "suspect.jpg", suspect=True)
    others = world.add_photos(2)
    python = tmp_path / "python"

    def install(task: Task) -> None:
        if task.counts[Outcome.HANDED_BACK] and not python.exists():
            aside = tmp_path / "aside"
            aside.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
            aside.chmod(0o755)
            aside.rename(python)

    code, task = world.run(
        sandbox=SandboxSettings(command=(str(python), "-m", "processor.pool.sandbox")), meanwhile=install
    )
    assert code == 0
    assert task.counts[Outcome.COMPLETE] == 3
    assert task.counts[Outcome.HANDED_BACK] >= 1
    assert (suspect.state, suspect.strikes) == ("complete", 0)
    assert all(other.state == "complete" for other in others)


@pytest.mark.parametrize("pool", ["render", "io"])
def test_thread_that_cannot_start_returns_the_image(world: World, monkeypatch: pytest.MonkeyPatch, pool: str) -> None:
    world.add_photos(3)
    failed = fail_first_start(monkeypatch, pool, RuntimeError("can't start new thread"))
    code, task = world.run(render_threads=1)
    assert failed == [f"{pool}_0"]
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 3, Outcome.HANDED_BACK: 1}


def test_thread_that_cannot_start_releases_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_first_start(monkeypatch, "render", RuntimeError("can't start new thread"))

    async def scenario() -> None:
        pool = RenderPool(threads=1, shares=SHARES)
        try:
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await render_in_pool(pool, jpeg(1), (), "one.jpg")
            assert pool.rendering.free == pool.rendering.total
            assert (await render_in_pool(pool, jpeg(1), (), "one.jpg")).variants == ()
        finally:
            pool.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")], ids=lambda e: type(e).__name__)
def test_resource_shortage_returns_the_image(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    photos = world.add_photos(2)
    left = [error]

    def short(name: str) -> None:
        if photos[0].id in name and left:
            raise left.pop()

    world.before_reads(monkeypatch, short)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 2, Outcome.HANDED_BACK: 1}
    assert photos[0].strikes == 0


def test_is_resource_shortage_other_errors_is_false() -> None:
    assert not is_resource_shortage(RuntimeError("dictionary changed size during iteration"))
    assert not is_resource_shortage(ValueError("no"))
