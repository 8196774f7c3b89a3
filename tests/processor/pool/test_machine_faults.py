"""A machine that has no process, thread or memory left is no photo's fault: images are handed back."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.errors import is_fault_of_the_machine
from processor.pool.render_pool import RenderPool
from processor.pool.sandbox import SandboxSettings
from processor.task.image_job import Outcome
from processor.task.loop import Task
from tests.support.claims_server import ClaimsServer
from tests.support.task_world import SHARES, World, jpeg

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def refuse_first_start(monkeypatch: pytest.MonkeyPatch, prefix: str, error: BaseException) -> list[str]:
    """Let the system refuse the first thread whose name begins with `prefix`; the names that were refused."""
    start = threading.Thread.start
    refused: list[str] = []

    def refusing_start(thread: threading.Thread) -> None:
        if thread.name.startswith(prefix) and not refused:
            refused.append(thread.name)
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing_start)
    return refused


def test_a_child_that_cannot_be_started_hands_the_suspect_back(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    suspect = world.add(jpeg(3), "suspect.jpg", suspect=True)
    code, task = world.run(child=SandboxSettings(command=(str(tmp_path / "no-such-python"),)))
    assert code == 1  # it does not pass, so the task ends in the end
    assert "in a row" in caplog.text
    assert "no-such-python" in caplog.text
    assert set(task.counts) == {Outcome.HANDED_BACK}
    assert (suspect.state, suspect.strikes, suspect.error) == ("pending", 0, "")


def test_a_child_that_can_be_started_later_completes_the_suspect(world: World, tmp_path: Path) -> None:
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
        child=SandboxSettings(command=(str(python), "-m", "processor.pool.sandbox")), meanwhile=install
    )
    assert code == 0
    assert task.counts[Outcome.COMPLETE] == 3
    assert task.counts[Outcome.HANDED_BACK] >= 1
    assert (suspect.state, suspect.strikes) == ("complete", 0)
    assert all(other.state == "complete" for other in others)


@pytest.mark.parametrize("pool", ["render", "io"])
def test_a_thread_that_cannot_be_started_hands_the_image_back(
    world: World, monkeypatch: pytest.MonkeyPatch, pool: str
) -> None:
    world.add_photos(3)
    refused = refuse_first_start(monkeypatch, pool, RuntimeError("can't start new thread"))
    code, task = world.run(render_threads=1)
    assert refused == [f"{pool}_0"]
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 3, Outcome.HANDED_BACK: 1}


async def begin() -> None:
    """Nothing has to be announced here."""


def test_a_thread_that_cannot_be_started_holds_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_first_start(monkeypatch, "render", RuntimeError("can't start new thread"))

    async def scenario() -> None:
        renderer = RenderPool(threads=1, shares=SHARES)
        try:
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await renderer.render(jpeg(1), (), "one.jpg", suspect=False, begin=begin)
            assert renderer.rendering.free == renderer.rendering.total
            assert (await renderer.render(jpeg(1), (), "one.jpg", suspect=False, begin=begin)).variants == ()
        finally:
            renderer.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")], ids=lambda e: type(e).__name__)
def test_memory_or_files_that_run_out_for_a_moment_hand_the_image_back(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
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


def test_other_faults_are_not_the_machine_s() -> None:
    assert not is_fault_of_the_machine(RuntimeError("dictionary changed size during iteration"))
    assert not is_fault_of_the_machine(ValueError("no"))
