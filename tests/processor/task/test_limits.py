"""The pixel limits in the settings of a task apply everywhere."""

from __future__ import annotations

import asyncio

import pytest

from processor.errors import BrokenPixels, TooManyPixels
from processor.pool.render_pool import RenderPool, estimated_bytes
from processor.render.limits import Limits
from tests.support.pictures import png_by_header
from tests.support.task_world import DEVICES, SHARES, World, jpeg, render_in_pool

pytestmark = pytest.mark.server


def test_task_pixel_limits_apply_to_quarantined_images(world: World) -> None:
    (good,) = world.add_photos(1, width=1000, height=1000)
    large = world.add(jpeg(7, 1200, 1000), "large.jpg")
    suspect = world.add(jpeg(8, 1200, 1000), "suspect.jpg", suspect=True)
    process = world.start_process(MAX_MEGAPIXELS="1")
    try:
        log = process.communicate(timeout=30)[1]
    finally:
        process.kill()  # does nothing to one that has ended
    assert process.returncode == 0, log
    assert good.state == "complete"
    for rejected in (large, suspect):
        assert (rejected.state, rejected.strikes) == ("failed", 0)
        assert rejected.error.startswith(rejected.filename)
        assert "1200 x 1000 pixels (1 megapixels); a photo may have 1." in rejected.error


def test_slot_larger_limits_replace_the_defaults_everywhere(world: World) -> None:
    """No check of the header has a limit of its own."""
    limits = Limits(max_pixels=200_000_000, max_progressive_pixels=200_000_000)
    promised = png_by_header(12_000, 10_000)
    with pytest.raises(TooManyPixels):
        estimated_bytes(promised, DEVICES, "large.png")
    assert estimated_bytes(promised, DEVICES, "large.png", limits) > 0
    for quarantined in (False, True):
        with pytest.raises(BrokenPixels):  # so the header was accepted, and the decoder finds no pixels
            asyncio.run(_render(promised, limits, quarantined=quarantined))


async def _render(data: bytes, limits: Limits, *, quarantined: bool) -> None:
    pool = RenderPool(threads=1, shares=SHARES, limits=limits)
    try:
        await render_in_pool(pool, data, DEVICES, "large.png", quarantined=quarantined)
    finally:
        pool.close()
