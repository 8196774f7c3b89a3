"""Rendering a photo while it is downloaded: in which order, and what a broken download means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from contract.bucket.port import Bucket, BucketUnavailable
from processor.errors import RenderError
from processor.pool.memory_budget import ORIGINAL_LIMIT_BYTES
from processor.pool.render_pool import RenderPool

if TYPE_CHECKING:
    from processor.codecs.download_buffer import Original
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)


async def render_streaming(
    bucket: Bucket,
    renderer: RenderPool,
    source: str,
    size: int,
    render: Callable[[Original], Awaitable[RenderedImage]],
) -> RenderedImage | None:
    """What `render` makes of the object `source` of `size` bytes while it arrives, once all of it is proven.

    None if it broke off or arrived damaged on the way: whatever was made of it is thrown away, and it is to be
    fetched again. Raises the BucketError of a download that never began, and what `render` raises over a whole file.
    """
    from processor.codecs.download_buffer import DownloadBuffer, DownloadFailed, fill

    arriving = DownloadBuffer(size)
    # Begun before anybody reads: its thread is taken first, so those that wait for its bytes cannot hold it up.
    downloading = asyncio.create_task(renderer.io(fill, arriving, bucket, source, ORIGINAL_LIMIT_BYTES))
    # Also where it takes too long, and nobody waits for its thread any more: readers must not wait either.
    downloading.add_done_callback(lambda _: arriving.end(whole=False))
    try:
        try:
            made: RenderedImage | RenderError | DownloadFailed = await render(arriving)
        except (RenderError, DownloadFailed) as error:
            made = error  # perhaps of a file that only seemed to end here
        try:
            await downloading
        except BucketUnavailable as error:
            if not arriving.count:
                raise
            log.warning("%s; what was made of it is thrown away, and it is fetched again", error)
            return None
        if isinstance(made, BaseException):
            raise made
        return made
    finally:
        arriving.give_up()
        downloading.cancel()
        await asyncio.gather(downloading, return_exceptions=True)
