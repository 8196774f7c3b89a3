"""A rendering that does not end: the task ends with it, and its neighbours are blamed for nothing."""

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
from tests.support.task_world import DEVICES, SHARES, World, jpeg

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    render_image(jpeg(0), DEVICES)  # the libraries are loaded: what takes long from here on is a picture
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def slow_picture() -> bytes:
    """81 megapixels that no decoder can leave out: some tenths of a second, on any machine."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((9000, 9000)).save(out, "PNG", compress_level=1)
    return out.getvalue()


async def begin() -> None:
    """Nothing has to be announced here."""


def test_the_limit_begins_when_a_thread_takes_the_picture_up(world: World) -> None:
    async def scenario() -> None:
        renderer = RenderPool(threads=1, shares=SHARES, render_seconds=1.0)
        renderer.warm_up(lambda: time.sleep(1.6))
        began = time.monotonic()
        try:
            rendered = await renderer.render(jpeg(1), DEVICES, "waiting.jpg", suspect=False, begin=begin)
        finally:
            renderer.close()
        assert time.monotonic() - began > 1.5
        assert len(rendered.variants) == len(DEVICES)

    asyncio.run(scenario())


def test_a_picture_beyond_the_limit_keeps_its_memory_until_its_thread_ends(world: World) -> None:
    async def scenario() -> None:
        renderer = RenderPool(threads=1, shares=SHARES, render_seconds=0.02)

        def at_work() -> bool:
            return renderer.busy

        try:
            with pytest.raises(RenderOverdue, match=r"slow\.png did not end within 0\.02 seconds"):
                await renderer.render(slow_picture(), DEVICES, "slow.png", suspect=False, begin=begin)
            assert at_work()
            assert renderer.rendering.free < renderer.rendering.total
            async with asyncio.timeout(30):
                while at_work():  # noqa: ASYNC110 - a thread sets no event of this loop
                    await asyncio.sleep(0.02)
            assert renderer.rendering.free == renderer.rendering.total
        finally:
            renderer.close()

    asyncio.run(scenario())


def test_a_stuck_thread_ends_the_task_and_its_neighbours_are_handed_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    slow = world.add(slow_picture(), "slow.png")
    neighbours = world.add_photos(8)
    code, task = world.run(render_threads=1, render_seconds=0.1)
    assert code == 1
    assert task.counts[Outcome.OVERDUE] == 1
    assert "slow.png" in caplog.text
    assert "cannot work" in caplog.text
    assert (slow.state, slow.attempt_open) == ("processing", True)
    assert {neighbour.state for neighbour in neighbours} <= {"pending", "complete"}
    assert any(neighbour.state == "pending" for neighbour in neighbours)
    assert not any(neighbour.attempt_open for neighbour in neighbours)
    assert slow.claims == 1
    assert sum(neighbour.claims for neighbour in neighbours) < 8  # nothing more was claimed
