"""The pictures of one image into the bucket: all at once, each under a name that follows from its content."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from contract import object_names
from contract.bucket.port import Bucket, ObjectConflict, uri_of
from contract.recipes import recipe, thumbnail_recipe
from processor.pool.render_pool import RenderPool
from processor.task.results import Stored

if TYPE_CHECKING:
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)


async def store(bucket: Bucket, renderer: RenderPool, image_id: str, rendered: RenderedImage) -> Stored:
    """Write every picture; their URIs, by device key, and the thumbnail's.

    Raises the BucketError of the first that could not be written, once every other write has ended.
    """
    keys, saving = [], []
    for variant in rendered.variants:
        device = variant.device
        key, asked = str(device.key), recipe(device.width, device.height, focus=rendered.focus)
        keys.append(key)

        def variant_name(suffix: str, key: str = key, asked: str = asked) -> str:
            return object_names.variant(key, image_id, asked, suffix)

        saving.append(_save(bucket, renderer, variant_name, variant.data))

    def thumbnail_name(suffix: str) -> str:
        return object_names.thumbnail(image_id, thumbnail_recipe(rendered.focus), suffix)

    saving.append(_save(bucket, renderer, thumbnail_name, rendered.thumbnail))
    uris = [uri_of(bucket, name) for name in await _all_or_first_error(saving)]
    return Stored(variants=dict(zip(keys, uris[:-1], strict=True)), thumbnail=uris[-1])


async def _save(bucket: Bucket, renderer: RenderPool, name_with: Callable[[str], str], data: bytes) -> str:
    """Write one picture; where other bytes have its name, under a name with its checksum."""
    name = name_with("")
    try:
        await renderer.io(bucket.create, name, data, "image/jpeg")
    except ObjectConflict:
        import google_crc32c

        other = name_with(f"{google_crc32c.value(data):08x}")
        log.error(
            "%s exists with other content: RENDERER_VERSION was not raised, or someone wrote there; writing %s",
            name,
            other,
        )
        await renderer.io(bucket.create, other, data, "image/jpeg")
        return other
    return name


async def _all_or_first_error(saving: Iterable[Awaitable[str]]) -> list[str]:
    results = await asyncio.gather(*saving, return_exceptions=True)
    names = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        names.append(result)
    return names
