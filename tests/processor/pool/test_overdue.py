"""A rendering that does not end also ends its task, and has no effect on the other images."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from processor.errors import RenderOverdue
from processor.pool.render_pool import RenderPool
from processor.render.pipeline import render_image
from processor.task.image_job import Outcome
from tests.support.claims_server import ClaimsServer
from tests.support.task_world import DEVICES, SHARES, World, jpeg, render_in_pool

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    render_image(jpeg(0), DEVICES)  # load the libraries now, so that they take no time later
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def slow_picture() -> bytes:
    """Return 81 megapixels that must all be decoded: some tenths of a second on any machine."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((9000, 9000)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def test_render_time_limit_begins_on_the_thread(world: World) -> None:
    async def scenario() -> None:
        pool = RenderPool(threads=1, shares=SHARES, render_seconds=1.0)
        pool.warm_up(lambda: time.sleep(1.6))
        began = time.monotonic()
        try:
            rendered = await render_in_pool(pool, jpeg(1), DEVICES, "waiting.jpg")
        finally:
            pool.close()
        assert time.monotonic() - began > 1.5
        assert len(rendered.variants) == len(DEVICES)

    asyncio.run(scenario())


def test_render_overdue_holds_its_memory_until_the_thread_ends(world: World) -> None:
    async def scenario() -> None:
        pool = RenderPool(threads=1, shares=SHARES, render_seconds=0.02)

        def at_work() -> bool:
            return pool.busy

        try:
            with pytest.raises(RenderOverdue, match=r"slow\.png did not end within 0\.02 seconds"):
                await render_in_pool(pool, slow_picture(), DEVICES, "slow.png")
            assert at_work()
            assert pool.rendering.free < pool.rendering.total
            async with asyncio.timeout(30):
                while at_work():  # noqa: ASYNC110 - a thread sets no event of this loop
                    await asyncio.sleep(0.02)
            assert pool.rendering.free == pool.rendering.total
        finally:
            pool.close()

    asyncio.run(scenario())


def test_task_stuck_thread_exits_with_1_and_returns_other_images(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    slow = world.add(slow_picture(), "slow.png")
    others = world.add_photos(8)
    code, task = world.run(render_threads=1, render_seconds=0.1)
    assert code == 1
    assert task.counts[Outcome.OVERDUE] == 1
    assert "slow.png" in caplog.text
    assert "cannot work" in caplog.text
    assert (slow.state, slow.attempt_open) == ("processing", True)
    assert {other.state for other in others} <= {"pending", "complete"}
    assert any(other.state == "pending" for other in others)
    assert not any(other.attempt_open for other in others)
    assert slow.claims == 1
    assert sum(other.claims for other in others) < 8  # nothing more was claimed
