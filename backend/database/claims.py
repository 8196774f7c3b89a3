"""Claims and leases: who works on which image.

A lease holds while its image is `processing` under its token. Past its end it may be taken by
anyone, and until somebody does it still holds. Setting an image back to `pending` by hand
therefore voids its lease, whatever the lease columns say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from backend.database.images import focus_of
from backend.database.missing_pairs import half_devices, missing_halves
from backend.database.missing_variants import missing_work
from backend.database.tables import devices, images
from contract.messages.processing import ClaimAnswer, ClaimedImage, ClaimRequest, Device, WorkItem

LEGACY_LEASE_SECONDS = 900.0
"""The legacy client never renews: its lease lasts as long as its task may run."""
SHARD_LOOKAHEAD = 100
"""Beyond so many images that others should take first, a task takes them itself."""


def _token(claim_id: str) -> sa.ColumnElement[str]:
    return sa.literal(claim_id) + "." + images.c.id


def _abandoned(owner: str, attempt: int, now: float) -> sa.ColumnElement[bool]:
    """Whether an image in work may be taken: its lease is over, or was this task's in an earlier attempt."""
    earlier_self = sa.and_(images.c.lease_owner == owner, images.c.lease_attempt < attempt)
    return sa.or_(images.c.lease_until.is_(None), images.c.lease_until < now, earlier_self)


def _candidates(owner: str, attempt: int, now: float, limit: int) -> sa.CompoundSelect[tuple[str]]:
    """The ids among which a claim chooses: the first pending images and the first abandoned ones.

    So many that a task finds its own shard among them, and so few that a claim costs the same however
    many images wait (`ix_images_queue` has them in this order).
    """
    most = limit + SHARD_LOOKAHEAD
    order = (images.c.rendered_at.is_not(None), images.c.ingested_at, images.c.id)
    heads = [
        select(images.c.id).where(where).order_by(*order).limit(most).subquery()
        for where in (
            images.c.processing_status == "pending",
            sa.and_(images.c.processing_status == "processing", _abandoned(owner, attempt, now)),
        )
    ]
    return sa.union_all(*(select(head.c.id) for head in heads))


def _still_claimable(owner: str, attempt: int, now: float) -> sa.ColumnElement[bool]:
    """The same condition once more: where several write at a time, a candidate may be another's by now.

    The state stands in an expression, or SQLite would look through all that is pending instead of the candidates.
    """
    state = images.c.processing_status.concat("")
    return sa.or_(state == "pending", sa.and_(state == "processing", _abandoned(owner, attempt, now)))


def claim(
    connection: Connection, request: ClaimRequest, claim_id: str, now: float, lease_seconds: float
) -> ClaimAnswer:
    """Lease up to `limit` images to the owner, in one statement, and say what each lacks.

    Never-rendered images first, of these the own shard first (among those that come next), then oldest first.
    `claim_id` is random; the same one again gives back the leases of that claim that still hold.
    """
    held = sa.and_(
        images.c.processing_status == "processing",
        images.c.lease_owner == request.owner,
        images.c.lease_token == _token(claim_id),
    )
    repeated = request.claim_id is not None and connection.scalar(select(sa.exists().where(held)))
    if not repeated:
        chosen = (
            select(images.c.id)
            .where(
                images.c.id.in_(_candidates(request.owner, request.attempt, now, request.limit)),
                _still_claimable(request.owner, request.attempt, now),
            )
            .order_by(
                images.c.rendered_at.is_not(None),
                (images.c.shard % request.shards) != request.shard,
                images.c.ingested_at,
                images.c.id,
            )
            .limit(request.limit)
            .with_for_update(skip_locked=True)
        )
        connection.execute(
            update(images)
            .where(images.c.id.in_(chosen))
            .values(
                processing_status="processing",
                processing_error=None,
                lease_owner=request.owner,
                lease_attempt=request.attempt,
                lease_token=_token(claim_id),
                lease_until=now + lease_seconds,
                claimed_at=now,
                suspect=sa.or_(images.c.suspect, images.c.attempt_open),
                attempt_open=False,
            )
        )
    rows = connection.execute(select(images).where(held).order_by(images.c.ingested_at, images.c.id)).all()
    missing, halves = missing_work(connection, ids := [row.id for row in rows]), missing_halves(connection, ids)
    work = {
        image_id: (*(WorkItem(device=item.key, recipe=item.recipe) for item in items), *halves.get(image_id, ()))
        for image_id, items in missing.items()
    }
    done = [row.id for row in rows if not work[row.id] and row.rendered_at is not None]
    if done:  # nothing is lacking any more, for instance since a device was removed
        connection.execute(
            update(images).where(images.c.id.in_(done)).values(processing_status="complete", suspect=False)
        )
    return ClaimAnswer(
        images=tuple(_claimed(row, work[row.id]) for row in rows if row.id not in done),
        devices=all_devices(connection) + half_devices(connection),
        lease_seconds=lease_seconds,
        renew_seconds=lease_seconds / 3,
    )


def _claimed(row: sa.Row[Any], work: tuple[WorkItem, ...]) -> ClaimedImage:
    return ClaimedImage(
        id=row.id,
        file_path=row.file_path,
        width=row.width,
        height=row.height,
        orientation=row.orientation,
        lease=row.lease_token,
        lease_until=row.lease_until,
        filename=row.filename,
        attempt=row.attempts,
        suspect=row.suspect,
        work=work,
        focus=focus_of(row.focus),
        byte_size=row.byte_size,
    )


def all_devices(connection: Connection) -> tuple[Device, ...]:
    """The devices of today, in the order of their keys."""
    return tuple(
        Device(id=row.id, name=row.name, key=row.key, width=row.width, height=row.height, orientation=row.orientation)
        for row in connection.execute(select(devices).order_by(devices.c.key))
    )


def _holds(tokens: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(images.c.processing_status == "processing", images.c.lease_token.in_(tokens))


def renew(connection: Connection, tokens: Sequence[str], now: float, lease_seconds: float) -> list[str]:
    """Lengthen the leases that hold, and return their tokens."""
    statement = update(images).where(_holds(tokens)).values(lease_until=now + lease_seconds)
    return list(connection.scalars(statement.returning(images.c.lease_token)))


def release(connection: Connection, tokens: Sequence[str]) -> list[str]:
    """Hand back images whose leases hold; an orderly return leaves no suspicion.

    As with every lease that ends early, the image keeps its place: it has waited since it was queued.
    """
    statement = update(images).where(_holds(tokens)).values(processing_status="pending", attempt_open=False)
    return list(connection.scalars(statement.returning(images.c.lease_token)))


def free_owners(connection: Connection, owners: Sequence[str]) -> int:
    """Free the leases of owners known to be dead; what they had begun to decode becomes suspect."""
    return connection.execute(
        update(images)
        .where(images.c.processing_status == "processing", images.c.lease_owner.in_(owners))
        .values(processing_status="pending")
    ).rowcount


def working_owners(connection: Connection) -> list[str]:
    """The owners that hold a lease."""
    in_work = (images.c.processing_status == "processing") & images.c.lease_owner.is_not(None)
    return list(connection.scalars(select(images.c.lease_owner).where(in_work).distinct()))


def free_expired(connection: Connection, now: float, lease_seconds: float) -> int:
    """Show expired leases as what they are: pending again; how many these were.

    A lease cannot end later than one that is given now: where the clock was set back it is shortened to that, or
    the images of a task that died would wait until the clock is where it was. A live owner renews it in time.
    """
    longest = sa.case((images.c.lease_owner.is_(None), LEGACY_LEASE_SECONDS), else_=lease_seconds)
    in_work = images.c.processing_status == "processing"
    connection.execute(
        update(images).where(in_work, images.c.lease_until > now + 2 * longest).values(lease_until=now + longest)
    )
    return connection.execute(
        update(images).where(in_work, images.c.lease_until < now).values(processing_status="pending")
    ).rowcount


def start_attempt(connection: Connection, image_id: str, lease: str | None, now: float) -> int | None:
    """Record that decoding begins; the attempt's number, or None if the caller may not begin.

    With a lease it must hold, and a repeated call counts once. Without one the caller is a
    legacy client: it may take a pending image or one under a legacy lease.
    """
    if lease is not None:
        where = sa.and_(images.c.id == image_id, _holds([lease]))
        values: dict[str, object] = {}
    else:
        legacy = sa.and_(images.c.processing_status == "processing", images.c.lease_owner.is_(None))
        where = sa.and_(images.c.id == image_id, sa.or_(images.c.processing_status == "pending", legacy))
        values = {
            "processing_status": "processing",
            "lease_owner": None,
            "lease_token": None,
            "lease_until": now + LEGACY_LEASE_SECONDS,
            "claimed_at": now,
        }
    already = sa.case((images.c.attempt_open, 0), else_=1)
    statement = update(images).where(where).values(attempts=images.c.attempts + already, attempt_open=True, **values)
    attempts: int | None = connection.scalar(statement.returning(images.c.attempts))
    return attempts


def begin_attempt(
    connection: Connection, image_id: str, lease: str | None, now: float
) -> tuple[int, tuple[Device, ...]] | None:
    """Start an attempt, and say for which devices: one call for each image, and so one transaction."""
    attempt = start_attempt(connection, image_id, lease, now)
    return None if attempt is None else (attempt, all_devices(connection))
