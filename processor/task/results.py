"""The results of one rendered image: its objects in the bucket, its sidecar, and its report to the backend."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from contract import object_names
from contract.bucket.port import Bucket, ObjectConflict, uri_of
from contract.messages.processing import ClaimedImage, Device, ImageOutcome, ProcessedImage, StageSeconds, Thumbnail
from contract.messages.sidecars import Sidecar, SidecarResult
from contract.recipes import THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH, recipe, thumbnail_recipe
from processor.errors import VersionMismatch
from processor.pool.render_pool import RenderPool

if TYPE_CHECKING:
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)


class Stored(Struct, frozen=True, kw_only=True):
    """URIs of the objects of one image. `variants` maps a device key to the URI of the variant."""

    variants: dict[str, str]
    thumbnail: str


class Timings(Struct, frozen=True, kw_only=True):
    """Seconds of the work on an image, in total and by stage; no stages for an image from the sandbox process."""

    seconds: float
    stages: StageSeconds | None


class Result(Struct, frozen=True):
    """The report of one rendered image."""

    rows: tuple[ProcessedImage, ...]
    outcome: ImageOutcome


def requested_devices(image: ClaimedImage, devices: Mapping[str, Device]) -> tuple[Device, ...]:
    """Return the devices that need a variant of `image`.

    Raises VersionMismatch if the backend requests a variant that this renderer would not make.
    """
    requested = []
    for item in image.work:
        device = devices.get(item.device)
        ours = (
            recipe(device.width, device.height, panel=device.panel)
            if device
            else "none, because the claim has no size for it"
        )
        if device is None or item.recipe != ours:
            raise VersionMismatch(
                f"the backend requests recipe {item.recipe} for device {item.device!r}, this processor has {ours}; "
                "deploy the backend and the processor from the same version"
            )
        requested.append(device)
    return tuple(requested)


async def store_variants(bucket: Bucket, pool: RenderPool, image_id: str, rendered: RenderedImage) -> Stored:
    """Write all variants and the thumbnail concurrently, each under a name that follows from its content.

    Raises the BucketError of the first object that could not be written, once all other writes have ended.
    """
    keys, writes = [], []
    for variant in rendered.variants:
        device = variant.device
        key, variant_recipe = str(device.key), _recipe(device, rendered)
        extension = device.panel.extension if device.panel else ".jpg"
        keys.append(key)

        def variant_name(
            suffix: str, key: str = key, variant_recipe: str = variant_recipe, extension: str = extension
        ) -> str:
            return object_names.variant(key, image_id, variant_recipe, suffix, extension)

        writes.append(_create(bucket, pool, variant_name, variant.data))

    def thumbnail_name(suffix: str) -> str:
        return object_names.thumbnail(image_id, thumbnail_recipe(rendered.focus, rendered.turn), suffix)

    writes.append(_create(bucket, pool, thumbnail_name, rendered.thumbnail))
    uris = []
    for name in await asyncio.gather(*writes, return_exceptions=True):
        if isinstance(name, BaseException):
            raise name
        uris.append(uri_of(bucket, name))
    return Stored(variants=dict(zip(keys, uris[:-1], strict=True)), thumbnail=uris[-1])


async def _create(bucket: Bucket, pool: RenderPool, name_with: Callable[[str], str], data: bytes) -> str:
    """Write one object and return the object's name. If an object with other bytes has the name, append a checksum."""
    name = name_with("")
    try:
        await pool.io(bucket.create, name, data, object_names.content_type(name))
    except ObjectConflict:
        import google_crc32c

        free_name = name_with(f"{google_crc32c.value(data):08x}")
        log.error(
            "%s exists with other content: RENDERER_VERSION was not raised, or another program wrote it; writing %s",
            name,
            free_name,
        )
        await pool.io(bucket.create, free_name, data, object_names.content_type(free_name))
        return free_name
    return name


def _recipe(device: Device, rendered: RenderedImage) -> str:
    """Return the recipe in the object's name: that of the device, with the owner's choices for this photo."""
    return recipe(device.width, device.height, focus=rendered.focus, turn=rendered.turn, panel=device.panel)


def _thumbnail(stored: Stored) -> Thumbnail:
    return Thumbnail(file_path=stored.thumbnail, width=THUMBNAIL_WIDTH, height=THUMBNAIL_HEIGHT)


def result_of(
    image: ClaimedImage, rendered: RenderedImage, stored: Stored, *, processed_at: float, timings: Timings
) -> Result:
    """Return the rows and the outcome to report under the image's lease; `processed_at` in epoch seconds."""
    rows = tuple(
        ProcessedImage(
            image_id=image.id,
            device_size=str(variant.device.key),
            width=variant.width,
            height=variant.height,
            file_path=stored.variants[str(variant.device.key)],
            color_palette=rendered.palette,
            lease=image.lease,
            recipe=recipe(variant.device.width, variant.device.height, panel=variant.device.panel),
        )
        for variant in rendered.variants
    )
    outcome = ImageOutcome(
        image_id=image.id,
        lease=image.lease,
        color_palette=rendered.palette,
        histogram=rendered.histogram,
        thumbnail=_thumbnail(stored),
        seconds=timings.seconds,
        processed_at=processed_at,
        found_focus=rendered.found_focus,
        stages=timings.stages,
        width=rendered.width,
        height=rendered.height,
    )
    return Result(rows, outcome)


def sidecar_of(
    image_id: str, rendered: RenderedImage, stored: Stored, processed_at: str, *, owner: str, timings: Timings
) -> Sidecar:
    """Return the sidecar; `processed_at` in ISO 8601, UTC."""
    palette = rendered.palette
    return Sidecar(
        image_id=image_id,
        neutral=palette.neutral,
        processed_at=processed_at,
        results=tuple(
            SidecarResult(
                device_size=str(variant.device.key),
                width=variant.width,
                height=variant.height,
                file_path=stored.variants[str(variant.device.key)],
                colors=palette.all_colors,
                primary=palette.primary,
                secondary=palette.secondary,
                tertiary=palette.tertiary,
                recipe=recipe(variant.device.width, variant.device.height, panel=variant.device.panel),
            )
            for variant in rendered.variants
        ),
        source_color=palette.source_color,
        histogram=rendered.histogram,
        thumbnail=_thumbnail(stored),
        owner=owner,
        seconds=timings.seconds,
        focus=rendered.focus,
        turn=rendered.turn,
        found_focus=rendered.found_focus,
        stages=timings.stages,
    )
