"""Results and failures that tasks, legacy clients and sidecars report.

Every function can be repeated with the same arguments; the repetition changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from backend.colours.families import families_text
from backend.database import shuffle_queues
from backend.database.garbage import schedule_deletion
from backend.database.missing_pairs import split_screen_device
from backend.database.missing_variants import LEGACY, missing_work
from backend.database.record_queries import increment_revisions
from backend.database.stage_times import stored_stages
from backend.database.tables import devices, images, processed_images
from backend.database.tombstones import deleted_among
from backend.database.variants import (
    REPLACED_GRACE_SECONDS,
    StoredVariant,
    current_variants,
    replaces_current,
    store_variants,
    variant_row,
)
from contract.messages.processing import ImageOutcome, ProcessedImage, RowError, orientation_of

MAX_CRASHES = 3
MAX_ERROR = 2000
"""Characters of an error message that are stored."""

Images = Mapping[str, sa.Row[Any]]
"""Rows of `images` by id, read before a report changes anything."""
ObjectUri = Callable[[str, str, str], str]
"""Maps (reported path, device key, image id) to a URI; raises ValueError if the path is not allowed."""


class _Target(NamedTuple):
    """The size in pixels that a reported variant must have, and the recipe that the device needs."""

    width: int
    height: int
    recipe: str


class _Accepted(NamedTuple):
    row: ProcessedImage
    uri: str
    target: _Target


def record(
    connection: Connection,
    rows: Sequence[ProcessedImage],
    outcomes: Sequence[ImageOutcome],
    object_uri: ObjectUri,
    now: float,
    *,
    trusted: bool = False,
) -> tuple[int, list[RowError]]:
    """Store reported variants and outcomes, and complete the images that have all variants.

    `trusted` is True for sidecars. Their content is valid no matter which task holds the lease, but it never
    ends the work of a task.

    Returns:
        The number of rows stored, and an error for each rejected row.
    """
    image_ids = {row.image_id for row in rows} | {outcome.image_id for outcome in outcomes}
    known = {row.id: row for row in connection.execute(select(images).where(images.c.id.in_(image_ids)))}
    deleted = deleted_among(connection, image_ids - known.keys())

    accepted, errors = _check_rows(connection, rows, known, deleted, object_uri, now, trusted=trusted)
    changed = _store_rows(connection, accepted, known, now)
    reported, changed_by_outcome = _store_outcomes(connection, outcomes, known, deleted, now, trusted=trusted)

    touched = {item.row.image_id for item in accepted} | reported
    # A sidecar never returns an image to the queue, so it does not count as the report of a task.
    ours = {item.row.image_id for item in accepted if item.row.lease is not None}
    _finish(connection, touched, set() if trusted else {outcome.image_id for outcome in outcomes}, ours, now)
    shuffle_queues.enqueue(connection, touched, now)
    # The state is part of the record, and `_finish` may have changed the state of an unfinished image.
    unfinished = {image_id for image_id in touched if known[image_id].processing_status != "complete"}
    if changed := changed | changed_by_outcome | unfinished:
        increment_revisions(connection, sorted(changed))
    return len(accepted), errors


def _check_rows(
    connection: Connection,
    rows: Sequence[ProcessedImage],
    known: Images,
    deleted: Collection[str],
    object_uri: ObjectUri,
    now: float,
    *,
    trusted: bool,
) -> tuple[list[_Accepted], list[RowError]]:
    """Split the rows into accepted ones and errors, and schedule the deletion of objects that have become useless."""
    targets = _targets(connection)
    accepted: list[_Accepted] = []
    errors: list[RowError] = []
    owners = _owners_of_foreign_names(connection, rows, object_uri)
    for row in rows:
        target = targets.get(row.device_size)
        uri, path_error = _checked_uri(row, object_uri)
        if owners.setdefault(uri, row.image_id) != row.image_id:
            uri, path_error = "", "filePath: it is a picture of another image"
        error = _image_error(known.get(row.image_id), row, trusted=trusted)
        if row.image_id in deleted:
            error = "the image was deleted"
            schedule_deletion(connection, [uri] if uri else [], now)
        elif error is None and target is None:
            error = "no device has this key any more"
        elif error is None and target is not None and (target.width, target.height) != (row.width, row.height):
            error = f"the device is {target.width}x{target.height}, this picture is {row.width}x{row.height}"
            # The device was changed during rendering. If it is changed back within the grace period, the
            # object is needed after all.
            schedule_deletion(connection, [uri] if uri else [], now + REPLACED_GRACE_SECONDS)
        error = error or path_error
        if error is None and target is not None:
            accepted.append(_Accepted(row, uri, target))
        else:
            errors.append(RowError(image_id=row.image_id, device_size=row.device_size, error=error or ""))
    return accepted, errors


def _targets(connection: Connection) -> dict[str, _Target]:
    """Return the target of every device key, and of every device's split-screen variants."""
    targets = {}
    for row in connection.execute(select(devices)):
        targets[row.key] = _Target(row.width, row.height, row.recipe)
        if (part := split_screen_device(row)) is not None:
            targets[str(part.key)] = _Target(part.width, part.height, row.half_recipe)
    return targets


def _owners_of_foreign_names(
    connection: Connection, rows: Sequence[ProcessedImage], object_uri: ObjectUri
) -> dict[str, str]:
    """Return which image has each reported object whose name does not contain the id of its row's image.

    A legacy client chooses such names. They are looked up by a scan of the table, which is rare for that reason.
    """
    uris = {_checked_uri(row, object_uri)[0] for row in rows if f"/{row.image_id}" not in row.file_path} - {""}
    if not uris:
        return {}
    columns = processed_images.c
    query = select(columns.file_path, columns.image_id).where(columns.file_path.in_(uris))
    return {row.file_path: row.image_id for row in connection.execute(query)}


def _checked_uri(row: ProcessedImage, object_uri: ObjectUri) -> tuple[str, str | None]:
    """Return the URI of a reported path and None, or an empty text and an error message."""
    try:
        return object_uri(row.file_path, row.device_size, row.image_id), None
    except ValueError as error:
        return "", f"filePath: {error}"


def _image_error(image: sa.Row[Any] | None, row: ProcessedImage, *, trusted: bool) -> str | None:
    """Return the reason why this row may not change this image, or None."""
    if image is None:
        return "unknown image"
    if trusted:
        return None
    if row.lease is not None:
        if _holds_lease(image, row.lease):
            return None
        return "the lease is lost: another task has this image, or it was returned to the queue by hand"
    if image.processing_status == "failed":
        return "the image has failed; retry it first"
    if image.processing_status == "processing" and image.lease_owner is not None:
        return "the image is held by another task"
    return None


def _holds_lease(image: sa.Row[Any], lease: str | None) -> bool:
    """Return True if the lease holds, or held until a report of it completed the image."""
    return image.processing_status in ("processing", "complete") and bool(image.lease_token == lease)


def _store_rows(connection: Connection, accepted: Sequence[_Accepted], known: Images, now: float) -> set[str]:
    """Store the accepted variants that replace the current ones, and return the ids of their images."""
    current = current_variants(connection, known)
    replacing: list[_Accepted] = []
    for item in accepted:
        row = item.row
        slot = (row.image_id, row.device_size)
        before = current.get(slot)
        reported = StoredVariant.of(row, item.uri)
        if replaces_current(reported, before, item.target.recipe):
            if before is not None and before.file_path != item.uri:
                schedule_deletion(connection, [before.file_path], now + REPLACED_GRACE_SECONDS)
            current[slot] = reported
            replacing.append(item)
    store_variants(
        connection,
        [
            variant_row(
                row.image_id,
                row.device_size,
                (row.width, row.height),
                uri,
                row.color_palette,
                row.recipe or LEGACY,
                now,
            )
            for row, uri, _ in replacing
        ],
    )
    changed = {item.row.image_id for item in replacing}
    _fill_palettes(connection, [item.row for item in accepted if not known[item.row.image_id].color_palette], changed)
    return changed


def _fill_palettes(connection: Connection, rows: Sequence[ProcessedImage], changed: Collection[str]) -> None:
    """Give changed images the palette of their first row, since a legacy client reports none for the whole image."""
    for image_id, palette in {row.image_id: row.color_palette for row in reversed(rows)}.items():
        if image_id not in changed:
            continue
        stored = msgspec.to_builtins(palette)
        connection.execute(
            update(images)
            .where(images.c.id == image_id, images.c.color_palette.is_(sa.null()))
            .values(color_palette=stored, colours=families_text(stored))
        )


def _store_outcomes(
    connection: Connection,
    outcomes: Sequence[ImageOutcome],
    known: Images,
    deleted: Collection[str],
    now: float,
    *,
    trusted: bool,
) -> tuple[set[str], set[str]]:
    """Store what was reported about images as a whole.

    Returns:
        The ids of the images whose outcome is accepted, and of those whose row changed.
    """
    accepted: set[str] = set()
    changed: set[str] = set()
    for outcome in outcomes:
        image = known.get(outcome.image_id)
        if image is None:
            if outcome.image_id in deleted and outcome.thumbnail is not None:
                schedule_deletion(connection, [outcome.thumbnail.file_path], now)
            continue
        if not (trusted or _holds_lease(image, outcome.lease)):
            continue
        accepted.add(outcome.image_id)
        # The image is complete if its rows came in an earlier report, or if this report is a repetition.
        processed_at = image.processed_at if image.processing_status == "complete" else None
        if _store_outcome(connection, outcome, image, processed_at or now):
            changed.add(outcome.image_id)
            if outcome.thumbnail and image.thumbnail_path not in (None, outcome.thumbnail.file_path):
                schedule_deletion(connection, [image.thumbnail_path], now + REPLACED_GRACE_SECONDS)
    return accepted, changed


def _store_outcome(connection: Connection, outcome: ImageOutcome, image: sa.Row[Any], processed_at: float) -> bool:
    """Store an outcome in the row of its image; return False if the row has the same values already."""
    palette = msgspec.to_builtins(outcome.color_palette)
    values: dict[str, object] = {
        # A list, as JSON columns return it, so that the comparison below finds equal values.
        "color_palette": {**palette, "allColors": list(outcome.color_palette.all_colors)},
        "histogram": outcome.histogram,
        "render_seconds": outcome.seconds,
        "processed_at": outcome.processed_at or processed_at,
    }
    if outcome.thumbnail is not None:
        values["thumbnail_path"] = outcome.thumbnail.file_path
    if outcome.found_focus is not None:
        values["found_focus"] = list(outcome.found_focus)
    if outcome.width and outcome.height:  # the size that the pictures were cropped from outranks that of the upload
        values["width"], values["height"] = outcome.width, outcome.height
        values["orientation"] = orientation_of(outcome.width, outcome.height)
    if all(getattr(image, name) == value for name, value in values.items()):
        return False
    # Not compared: the time of the report is part of it, and a repeated report is later.
    values["stage_seconds"] = stored_stages(outcome, processed_at)
    values["colours"] = families_text(palette)
    connection.execute(update(images).where(images.c.id == outcome.image_id).values(**values))
    return True


def _finish(connection: Connection, touched: set[str], reported: set[str], ours: set[str], now: float) -> None:
    """Complete the touched images that have all variants, and return the other `reported` ones to the queue.

    Our tasks report `reported` and `ours`. Of them a variant that lies on its side is missing.
    """
    own = touched & (reported | ours)
    missing = missing_work(connection, sorted(touched - own)) | missing_work(connection, sorted(own), upright=True)
    complete = [image_id for image_id in sorted(touched) if not missing[image_id]]
    if complete:
        connection.execute(
            update(images)
            .where(images.c.id.in_(complete))
            .values(
                processing_status="complete",
                processing_error=None,
                rendered_at=sa.func.coalesce(images.c.rendered_at, now),
                processed_at=sa.func.coalesce(images.c.processed_at, now),
                attempt_open=False,
                suspect=False,
                strikes=0,
            )
        )
    for image_id in sorted(touched & reported):
        if not missing[image_id]:
            continue
        of_image = images.c.id == image_id
        claimed_at = connection.scalar(select(images.c.claimed_at).where(of_image)) or 0.0
        # A variant of a device that was changed after the claim is not expected from this task.
        owed = [item.key for item in missing[image_id] if item.changed_at < claimed_at]
        values: dict[str, object] = {"processing_status": "pending", "queued_at": now}
        if owed:  # in the queue again, the image would come back with the same result without end
            values = {
                "processing_status": "failed",
                "processing_error": f"the task reported no usable picture for {', '.join(owed)}",
            }
        connection.execute(
            update(images)
            .where(of_image)
            .values(rendered_at=sa.func.coalesce(images.c.rendered_at, now), attempt_open=False, **values)
        )


def fail(connection: Connection, image_id: str, error: str, lease: str | None, *, crashed: bool) -> bool:
    """Record a failure; return False, without a change, if the caller does not hold the image.

    A caller without a lease is a legacy client, which holds images without an owner. `crashed` is True if the
    sandbox process crashed: the image is quarantined then, and fails at the crash number `MAX_CRASHES`.
    """
    of_image = images.c.id == image_id
    holder = images.c.lease_token == lease if lease is not None else images.c.lease_owner.is_(None)
    error = error[:MAX_ERROR]
    if crashed:
        last = images.c.strikes + 1 >= MAX_CRASHES
        values: dict[str, object] = {
            "strikes": images.c.strikes + 1,
            "processing_status": sa.case((last, "failed"), else_="pending"),
            "processing_error": sa.case((last, error), else_=None),
            "suspect": True,
        }
    else:
        values = {"processing_status": "failed", "processing_error": error, "suspect": False}
    values |= {"attempt_open": False, "revision": images.c.revision + 1}
    held = sa.and_(of_image, images.c.processing_status == "processing", holder)
    number = connection.execute(update(images).where(held).values(**values)).rowcount
    if number == 0 and lease is not None:  # a repetition of the same report is accepted
        same = (images.c.processing_status == "failed") & (images.c.lease_token == lease)
        return bool(connection.scalar(select(sa.exists().where(of_image, same))))
    return number > 0
