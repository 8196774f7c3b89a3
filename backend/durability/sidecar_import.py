"""Import metadata sidecars into the database: recover the results of a lost report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from backend.database import devices, garbage, images, results, tombstones
from backend.database.missing_variants import LEGACY
from contract import object_names
from contract.bucket.port import Bucket, name_in, uri_of
from contract.messages.processing import ImageOutcome, Palette, ProcessedImage, Thumbnail
from contract.messages.sidecars import Sidecar

PALETTE_COLOURS = 8

ARCHIVABLE, WAITS, REJECTED, DELETED = "archivable", "waits", "rejected", "deleted"
"""What to do with a sidecar: archive it, leave it for a later pass, leave it and log why, or delete it."""


class PathValidator:
    """Checks the object addresses that tasks and sidecars report, and returns their stored form."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def variant_uri(self, path: str, device_key: str, image_id: str, *, legacy: bool = True) -> str:
        """Return the address of a reported variant.

        Legacy clients choose other file names: any name in the device's folder is valid for them, unless it contains
        the id of another image.

        Raises:
            ValueError: The address is outside our bucket or folder, or belongs to another device or image.
        """
        name = name_in(self._bucket, path)
        if not name.startswith(object_names.PROCESSED):
            raise ValueError(f"{name!r} is not under {object_names.PROCESSED}")
        folder, _, file = name.removeprefix(object_names.PROCESSED).partition("/")
        if not file or "/" in file or device_key not in (folder, unquote(folder)):
            raise ValueError(f"{name!r} is not in the folder of the device {device_key!r}")
        if object_names.image_of(name) not in (image_id, None):
            raise ValueError(f"{name!r} is a picture of another image")
        if not legacy and object_names.device_of_variant(name) != (device_key, image_id):
            raise ValueError(f"{name!r} is not a name of a picture of this image for this device")
        return uri_of(self._bucket, name)

    def thumbnail_uri(self, path: str, image_id: str) -> str:
        """Return the address of a reported thumbnail.

        Raises:
            ValueError: The address is in another bucket or folder, or belongs to another image.
        """
        name = name_in(self._bucket, path)
        if not name.startswith(object_names.THUMBNAILS):
            raise ValueError(f"{name!r} is not under {object_names.THUMBNAILS}")
        if object_names.image_of(name) != image_id:
            raise ValueError(f"{name!r} is not a thumbnail of this image")
        return uri_of(self._bucket, name)

    def name(self, uri: str) -> str:
        """Return the object name of an address that this class returned."""
        return name_in(self._bucket, uri)


def palette_of(sidecar: Sidecar) -> Palette | None:
    """Return the palette in a sidecar, or None if it contains no results."""
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


def _valid_uris(sidecar: Sidecar, paths: PathValidator) -> Iterator[str]:
    """Yield the addresses of the sidecar's pictures, without invalid ones."""
    for result in sidecar.results:
        with contextlib.suppress(ValueError):
            yield paths.variant_uri(result.file_path, result.device_size, sidecar.image_id)
    if sidecar.thumbnail is not None:
        with contextlib.suppress(ValueError):
            yield paths.thumbnail_uri(sidecar.thumbnail.file_path, sidecar.image_id)


def import_sidecar(connection: Connection, sidecar: Sidecar, paths: PathValidator, now: float) -> tuple[str, str, bool]:
    """Store the results of a sidecar unless they are stored already.

    Returns:
        What to do with the sidecar (`ARCHIVABLE`, `WAITS`, `REJECTED` or `DELETED`), the reason, and True if
        something new was stored.
    """
    image = images.work_state(connection, sidecar.image_id)
    if image is None:
        if not tombstones.is_deleted(connection, sidecar.image_id):
            return REJECTED, "unknown image", False
        garbage.schedule_deletion(connection, list(_valid_uris(sidecar, paths)), now)
        return DELETED, "the image was deleted while a task rendered it", False
    if image.processing_status == "processing" and (image.lease_until or 0) >= now:
        return WAITS, "a task has claimed this image and will report it", False
    if image.processing_status == "complete":
        # The rows are final. A late sidecar that differs from them is archived as history.
        return ARCHIVABLE, "stored already", False
    if image.processing_status == "failed" and not _is_of_legacy_failure(sidecar, image):
        return REJECTED, "the image has failed; retry it, or remove the sidecar", False
    if sidecar.focus != images.focus_of(image.focus):
        return WAITS, "its pictures were cropped around another focal point; the image will be rendered again", False
    if sidecar.turn != image.turn:
        return WAITS, "its pictures were turned in another way; the image will be rendered again", False
    palette = palette_of(sidecar)
    if palette is None:
        return WAITS, "it contains no pictures; the image will be rendered again", False
    if not devices.count(connection):
        # Without devices no variant is missing: the image would become complete with nothing imported.
        return WAITS, "there is no device to import its pictures for", False
    try:
        thumbnail = _stored_thumbnail(sidecar, paths)
    except ValueError as error:
        return REJECTED, f"thumbnail: {error}", False
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
    stored, errors = results.record(connection, rows, [outcome], paths.variant_uri, now, trusted=True)
    if errors:
        reason = f"{stored} of {len(rows)} pictures imported; {errors[0].device_size}: {errors[0].error}"
        return REJECTED, reason, stored > 0
    return ARCHIVABLE, f"imported {stored} pictures", True


def _is_of_legacy_failure(sidecar: Sidecar, image: sa.Row[Any]) -> bool:
    """Return True if a legacy client wrote the sidecar, and then reported a failure.

    Such a client reports a failure whenever its results are not answered with 2xx, for example while the backend is
    down. Its sidecar proves that the photo was rendered. A failure under a lease is one of our own tasks.
    """
    return image.lease_owner is None and all(result.recipe in (None, LEGACY) for result in sidecar.results)


def _stored_thumbnail(sidecar: Sidecar, paths: PathValidator) -> Thumbnail | None:
    if sidecar.thumbnail is None:
        return None
    return msgspec.structs.replace(
        sidecar.thumbnail, file_path=paths.thumbnail_uri(sidecar.thumbnail.file_path, sidecar.image_id)
    )
