"""Results and failures: what tasks and sidecars report about images.

Every function may be repeated with the same words and changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from backend.colours.families import families_text
from backend.database.garbage import discard
from backend.database.missing_pairs import half_of
from backend.database.missing_variants import LEGACY, missing_work
from backend.database.record_queries import changed
from backend.database.stage_times import to_be_kept
from backend.database.tables import devices, images
from backend.database.tombstones import dead_of
from backend.database.variants import REPLACED_GRACE_SECONDS, current_variants, is_news, store_variants, variant_values
from contract.messages.processing import ImageOutcome, ProcessedImage, RowError

MAX_STRIKES = 3
MAX_ERROR = 2000


def _refusal(image: sa.Row[Any] | None, row: ProcessedImage, *, trusted: bool) -> str | None:
    """Why this row may not change this image, or None."""
    if image is None:
        return "unknown image"
    if trusted:
        return None
    if row.lease is not None:
        holds = image.processing_status in ("processing", "complete") and image.lease_token == row.lease
        return None if holds else "the lease is lost: another task has this image, or it was put back by hand"
    if image.processing_status == "failed":
        return "the image has failed; retry it first"
    if image.processing_status == "processing" and image.lease_owner is not None:
        return "the image is held by another task"
    return None


class _Screen(NamedTuple):
    """What a reported picture has to fit: a device, or the half of one. `todays` is the recipe that it asks for."""

    width: int
    height: int
    todays: str


def _screens(connection: Connection) -> dict[str, _Screen]:
    found = {}
    for row in connection.execute(select(devices)):
        found[row.key] = _Screen(row.width, row.height, row.recipe)
        if (half := half_of(row)) is not None:
            found[str(half.key)] = _Screen(half.width, half.height, row.half_recipe)
    return found


def record(
    connection: Connection,
    rows: Sequence[ProcessedImage],
    outcomes: Sequence[ImageOutcome],
    object_uri: Callable[[str, str, str], str],
    now: float,
    *,
    trusted: bool = False,
) -> tuple[int, list[RowError]]:
    """Store variants, then complete the images that have all; the count stored and what was refused.

    `object_uri(path, device key, image id)` gives the stored form of a reported path and raises
    ValueError if it may not lie there. `trusted` is for sidecars: what they say is true whoever
    holds the lease, but it does not end anybody's work.
    """
    ids = {row.image_id for row in rows} | {outcome.image_id for outcome in outcomes}
    known = {row.id: row for row in connection.execute(select(images).where(images.c.id.in_(ids)))}
    screens = _screens(connection)
    dead = dead_of(connection, ids - known.keys())
    before = current_variants(connection, known)
    fresh: list[dict[str, object]] = []
    stored = 0
    errors: list[RowError] = []
    touched: set[str] = set()
    altered: set[str] = set()
    for row in rows:
        image = known.get(row.image_id)
        screen = screens.get(row.device_size)
        error = _refusal(image, row, trusted=trusted)
        uri = ""
        if error is None and screen is None:
            error = "no device has this key any more"
        elif error is None and screen is not None and (screen.width, screen.height) != (row.width, row.height):
            error = f"the device is {screen.width}x{screen.height}, this picture is {row.width}x{row.height}"
            # Its frame was changed while it was made. Changed back, it may be wanted after all.
            discard(connection, _late_object(row, object_uri), now + REPLACED_GRACE_SECONDS)
        if error is None:
            try:
                uri = object_uri(row.file_path, row.device_size, row.image_id)
            except ValueError as reason:
                error = f"filePath: {reason}"
        if row.image_id in dead:
            error = "the image was deleted"
            discard(connection, _late_object(row, object_uri), now)
        if error is not None:
            errors.append(RowError(image_id=row.image_id, device_size=row.device_size, error=error))
            continue
        assert screen is not None
        place = (row.image_id, row.device_size)
        if is_news(connection, row, uri, before.get(place), screen.todays, now):
            before[place] = (uri, row.recipe or LEGACY)
            fresh.append(variant_values(row, uri, now))
            altered.add(row.image_id)
        touched.add(row.image_id)
        stored += 1
    store_variants(connection, fresh)
    _fill_palettes(
        connection, [row for row in rows if row.image_id in altered and not known[row.image_id].color_palette]
    )
    for outcome in outcomes:
        image = known.get(outcome.image_id)
        if image is None:
            if outcome.image_id in dead and outcome.thumbnail is not None:
                discard(connection, [outcome.thumbnail.file_path], now)
            continue
        # Complete: its rows came in an earlier report, or this one is told again.
        told_before = image.processing_status == "complete"
        holds = image.processing_status in ("processing", "complete") and image.lease_token == outcome.lease
        if trusted or holds:
            if _record_outcome(connection, outcome, image, (image.processed_at if told_before else None) or now):
                altered.add(outcome.image_id)
                if outcome.thumbnail and image.thumbnail_path not in (None, outcome.thumbnail.file_path):
                    discard(connection, [image.thumbnail_path], now + REPLACED_GRACE_SECONDS)
            touched.add(outcome.image_id)
    reported = set() if trusted else {outcome.image_id for outcome in outcomes}
    _finish(connection, touched, reported, now)
    altered |= {image_id for image_id in touched if known[image_id].processing_status != "complete"}
    if altered:
        changed(connection, sorted(altered))
    return stored, errors


def _late_object(row: ProcessedImage, object_uri: Callable[[str, str, str], str]) -> list[str]:
    """The picture that a task made while its image was deleted or its frame changed, if it lies where it may."""
    try:
        return [object_uri(row.file_path, row.device_size, row.image_id)]
    except ValueError:
        return []


def _fill_palettes(connection: Connection, rows: Sequence[ProcessedImage]) -> None:
    """Give images without a palette that of a variant: the legacy client reports no other."""
    for image_id, palette in {row.image_id: row.color_palette for row in reversed(rows)}.items():
        kept = msgspec.to_builtins(palette)
        connection.execute(
            update(images)
            .where(images.c.id == image_id, images.c.color_palette.is_(sa.null()))
            .values(color_palette=kept, colours=families_text(kept))
        )


def _record_outcome(connection: Connection, outcome: ImageOutcome, image: sa.Row[Any], moment: float) -> bool:
    """Note what was found out about the image as a whole; False if all of it is known."""
    values: dict[str, object] = {
        # Lists, as a database gives them back, so that what is known can be told from what is new.
        "color_palette": {
            **msgspec.to_builtins(outcome.color_palette),
            "allColors": list(outcome.color_palette.all_colors),
        },
        "histogram": outcome.histogram,
        "render_seconds": outcome.seconds,
        "processed_at": outcome.processed_at or moment,
    }
    if outcome.thumbnail is not None:
        values["thumbnail_path"] = outcome.thumbnail.file_path
    if outcome.found_focus is not None:
        values["found_focus"] = list(outcome.found_focus)
    if all(getattr(image, name) == value for name, value in values.items()):
        return False
    values["stage_seconds"] = to_be_kept(outcome, moment)  # not compared: a report told again came later
    values["colours"] = families_text(msgspec.to_builtins(outcome.color_palette))
    connection.execute(update(images).where(images.c.id == outcome.image_id).values(**values))
    return True


def _finish(connection: Connection, touched: set[str], reported: set[str], now: float) -> None:
    """Complete the touched images that lack nothing; put the others that were reported back into the queue."""
    missing = missing_work(connection, sorted(touched))
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
    for image_id in sorted(touched):
        of_image = images.c.id == image_id
        if missing[image_id] and image_id in reported:
            claimed_at = connection.scalar(select(images.c.claimed_at).where(of_image)) or 0.0
            owed = [item.key for item in missing[image_id] if item.changed_at < claimed_at]
            values: dict[str, object] = {"processing_status": "pending", "queued_at": now}
            if owed:  # back into the queue it would come out the same, for ever
                values = {
                    "processing_status": "failed",
                    "processing_error": f"the task reported no usable picture for {', '.join(owed)}",
                }
            connection.execute(
                update(images)
                .where(of_image)
                .values(rendered_at=sa.func.coalesce(images.c.rendered_at, now), attempt_open=False, **values)
            )


def fail(connection: Connection, image_id: str, error: str, lease: str | None, *, strike: bool) -> bool:
    """Record a failure; False if the caller holds no lease on the image, and nothing changed.

    A strike counts, and only the third one fails the image.
    """
    of_image = images.c.id == image_id
    if lease is not None:
        holds = sa.and_(of_image, images.c.processing_status == "processing", images.c.lease_token == lease)
    else:
        holds = sa.and_(of_image, images.c.processing_status == "processing", images.c.lease_owner.is_(None))
    error = error[:MAX_ERROR]
    if strike:
        last = images.c.strikes + 1 >= MAX_STRIKES
        values: dict[str, object] = {
            "strikes": images.c.strikes + 1,
            "processing_status": sa.case((last, "failed"), else_="pending"),
            "processing_error": sa.case((last, error), else_=None),
            "suspect": True,
        }
    else:
        values = {"processing_status": "failed", "processing_error": error, "suspect": False}
    values |= {"attempt_open": False, "revision": images.c.revision + 1}
    number = connection.execute(update(images).where(holds).values(**values)).rowcount
    if number == 0 and lease is not None:  # the same report again
        same = (images.c.processing_status == "failed") & (images.c.lease_token == lease)
        return bool(connection.scalar(select(sa.exists().where(of_image, same))))
    return number > 0
