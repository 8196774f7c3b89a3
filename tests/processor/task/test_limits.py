"""The pixel limits of a task: those of its settings, wherever a picture is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.errors import BrokenPixels, TooManyPixels
from processor.pool.render_pool import RenderPool, estimated_bytes
from processor.render.limits import Limits
from tests.support.claims_server import ClaimsServer
from tests.support.pictures import png_by_header
from tests.support.task_world import DEVICES, SHARES, World, jpeg

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def test_the_pixel_limits_of_the_settings_hold_for_suspects_too(world: World) -> None:
    (good,) = world.add_photos(1, width=1000, height=1000)
    large = world.add(jpeg(7, 1200, 1000), "large.jpg")
    suspect = world.add(jpeg(8, 1200, 1000), "suspect.jpg", suspect=True)
    process = world.start_process(MAX_MEGAPIXELS="1")
    try:
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()  # does nothing to one that has ended
    assert process.returncode == 0, said
    assert good.state == "complete"
    for refused in (large, suspect):
        assert (refused.state, refused.strikes) == ("failed", 0)
        assert refused.error.startswith(refused.filename)
        assert "1200 x 1000 pixels (1 megapixels); a photo may have 1." in refused.error


def test_the_limits_may_also_be_larger_than_the_usual_ones(world: World) -> None:
    """None of the places where a picture is looked at keeps to a limit of its own."""
    limits = Limits(max_pixels=200_000_000, max_progressive_pixels=200_000_000)
    promised = png_by_header(12_000, 10_000)
    with pytest.raises(TooManyPixels):
        estimated_bytes(promised, DEVICES, "large.png")
    assert estimated_bytes(promised, DEVICES, "large.png", limits) > 0
    for suspect in (False, True):
        with pytest.raises(BrokenPixels):  # and so it was let through to its decoder, which finds no pixels
            asyncio.run(_render(promised, limits, suspect=suspect))


async def _render(data: bytes, limits: Limits, *, suspect: bool) -> None:
    async def begin() -> None:
        """Nothing has to be announced here."""

    renderer = RenderPool(threads=1, shares=SHARES, limits=limits)
    try:
        await renderer.render(data, DEVICES, "large.png", suspect=suspect, begin=begin)
    finally:
        renderer.close()
