"""What a sidecar tells, into the database: a report that was lost is made up for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import msgspec
from sqlalchemy import Connection, exists, select

from backend.database import garbage, results, tombstones
from backend.database.images import focus_of
from backend.database.tables import devices, images
from contract.messages.processing import ImageOutcome, Palette, ProcessedImage
from contract.messages.sidecars import Sidecar

PALETTE_COLOURS = 8

ARCHIVABLE, WAITS, REFUSED, DEAD = "archivable", "waits", "refused", "dead"


def palette_of(sidecar: Sidecar) -> Palette | None:
    """The palette that a sidecar tells, or None if it tells of no picture at all."""
    for result in sidecar.results:
        return Palette(
            primary=result.primary,
            secondary=result.secondary,
            tertiary=result.tertiary,
            source_color=sidecar.source_color or result.primary,
            all_colors=(result.colors + (result.primary,) * PALETTE_COLOURS)[:PALETTE_COLOURS],
            neutral=sidecar.neutral,
        )
    return None


def _objects_of(
    sidecar: Sidecar, object_uri: Callable[[str, str, str], str], thumbnail_uri: Callable[[str], str]
) -> Iterator[str]:
    """The addresses of the pictures that a sidecar tells of, as far as they lie where they may."""
    for result in sidecar.results:
        with contextlib.suppress(ValueError):
            yield object_uri(result.file_path, result.device_size, sidecar.image_id)
    if sidecar.thumbnail is not None:
        with contextlib.suppress(ValueError):
            yield thumbnail_uri(sidecar.thumbnail.file_path)


def import_sidecar(
    connection: Connection,
    sidecar: Sidecar,
    object_uri: Callable[[str, str, str], str],
    thumbnail_uri: Callable[[str], str],
    now: float,
) -> tuple[str, str, bool]:
    """Record what the sidecar says unless it is recorded; what may be done with it, why, and whether it was new."""
    image = connection.execute(select(images).where(images.c.id == sidecar.image_id)).first()
    if image is None:
        if not tombstones.is_deleted(connection, sidecar.image_id):
            return REFUSED, "unknown image", False
        garbage.schedule_deletion(connection, list(_objects_of(sidecar, object_uri, thumbnail_uri)), now)
        return DEAD, "the image was deleted while a task had it", False
    if image.processing_status == "processing" and (image.lease_until or 0) >= now:
        return WAITS, "a task has this image and will report itself", False
    if image.processing_status == "complete":
        # Its rows stand. What a late sidecar says beside them is history, and archived as such.
        return ARCHIVABLE, "recorded", False
    if image.processing_status == "failed":
        return REFUSED, "the image has failed; retry it, or remove the sidecar", False
    if sidecar.focus != focus_of(image.focus):
        return WAITS, "its pictures are framed around another point; the image will be rendered again", False
    palette = palette_of(sidecar)
    if palette is None:
        return WAITS, "it tells of no picture; the image will be rendered again", False
    if not connection.scalar(select(exists().select_from(devices))):
        # Without devices nothing would be lacking: the image would count as complete with nothing imported.
        return WAITS, "there is no device to import its pictures for", False
    thumbnail = sidecar.thumbnail
    if thumbnail is not None:
        try:
            uri = thumbnail_uri(thumbnail.file_path)
        except ValueError as error:
            return REFUSED, f"thumbnail: {error}", False
        thumbnail = msgspec.structs.replace(thumbnail, file_path=uri)
    rows = [
        ProcessedImage(
            image_id=sidecar.image_id,
            device_size=result.device_size,
            width=result.width,
            height=result.height,
            file_path=result.file_path,
            color_palette=palette,
            recipe=result.recipe,
        )
        for result in sidecar.results
    ]
    outcome = ImageOutcome(
        image_id=sidecar.image_id,
        lease="sync",
        color_palette=palette,
        histogram=sidecar.histogram,
        thumbnail=thumbnail,
        seconds=sidecar.seconds,
        found_focus=sidecar.found_focus,
        stages=sidecar.stages,
    )
    stored, errors = results.record(connection, rows, [outcome], object_uri, now, trusted=True)
    if errors:
        return (
            REFUSED,
            f"{stored} of {len(rows)} pictures imported; {errors[0].device_size}: {errors[0].error}",
            stored > 0,
        )
    return ARCHIVABLE, f"imported {stored} pictures", True
