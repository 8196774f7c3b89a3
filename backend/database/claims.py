"""Claims and leases: which task works on which image.

A lease holds while its image is `processing` under the lease's token. After its end any task may
claim the image; until a task does, the lease still holds. Setting an image back to `pending` by
hand therefore voids its lease, although the lease columns do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from backend.database.images import focus_of
from backend.database.missing_pairs import missing_split_screen_work, split_screen_devices
from backend.database.missing_variants import missing_work, requeue_sideways
from backend.database.tables import devices, images
from contract.messages.processing import ClaimAnswer, ClaimedImage, ClaimRequest, Device, WorkItem
from contract.panels import panel_from

LEGACY_LEASE_SECONDS = 900.0
"""The legacy client never renews a lease, so its lease lasts as long as a task may run."""
SHARD_LOOKAHEAD = 100
"""Maximum number of older images of other shards that a task skips to find images of its own shard."""


def _token(claim_id: str) -> sa.ColumnElement[str]:
    return sa.literal(claim_id) + "." + images.c.id


def _abandoned(owner: str, attempt: int, now: float) -> sa.ColumnElement[bool]:
    """Select images whose lease has ended, or belongs to an earlier attempt of the same task."""
    earlier_self = sa.and_(images.c.lease_owner == owner, images.c.lease_attempt < attempt)
    return sa.or_(images.c.lease_until.is_(None), images.c.lease_until < now, earlier_self)


def _candidates(owner: str, attempt: int, now: float, limit: int) -> sa.CompoundSelect[tuple[str]]:
    """Return the ids that a claim chooses from: the first pending and the first abandoned images.

    The number is large enough for a task to find images of its own shard. It is bounded, so that the
    cost of a claim does not grow with the queue: `ix_images_queue` has the images in this order.
    """
    count = limit + SHARD_LOOKAHEAD
    order = (images.c.rendered_at.is_not(None), images.c.ingested_at, images.c.id)
    heads = [
        select(images.c.id).where(where).order_by(*order).limit(count).subquery()
        for where in (
            images.c.processing_status == "pending",
            sa.and_(images.c.processing_status == "processing", _abandoned(owner, attempt, now)),
        )
    ]
    return sa.union_all(*(select(head.c.id) for head in heads))


def _still_claimable(owner: str, attempt: int, now: float) -> sa.ColumnElement[bool]:
    """Repeat the condition of `_candidates`, because a concurrent writer may have claimed a candidate since.

    The state is wrapped in an expression. Otherwise SQLite would search all pending images by the index
    instead of the candidates.
    """
    state = images.c.processing_status.concat("")
    return sa.or_(state == "pending", sa.and_(state == "processing", _abandoned(owner, attempt, now)))


def claim(
    connection: Connection, request: ClaimRequest, claim_id: str, now: float, lease_seconds: float
) -> ClaimAnswer:
    """Lease up to `limit` images to the owner, and return the variants that each needs.

    Never-rendered images are claimed first. Among the next of them, images of the task's shard come first, then
    the oldest.
    `claim_id` is random. If the request repeats the id of an earlier claim, the leases of that claim that still
    hold are returned.
    """
    held = sa.and_(
        images.c.processing_status == "processing",
        images.c.lease_owner == request.owner,
        images.c.lease_token == _token(claim_id),
    )
    repeated = request.claim_id is not None and connection.scalar(select(sa.exists().where(held)))
    if not repeated:
        taken = _take(connection, request, claim_id, now, lease_seconds, request.limit)
        if taken < request.limit and requeue_sideways(connection, request.limit - taken, now):
            _take(connection, request, claim_id, now, lease_seconds, request.limit - taken)
    rows = connection.execute(select(images).where(held).order_by(images.c.ingested_at, images.c.id)).all()
    ids = [row.id for row in rows]
    split_screen = missing_split_screen_work(connection, ids)
    work = {
        image_id: (*(WorkItem(device=item.key, recipe=item.recipe) for item in items), *split_screen.get(image_id, ()))
        for image_id, items in missing_work(connection, ids, upright=True).items()
    }
    done = [row.id for row in rows if not work[row.id] and row.rendered_at is not None]
    if done:  # nothing is missing any more, for instance because a device was removed
        connection.execute(
            update(images).where(images.c.id.in_(done)).values(processing_status="complete", suspect=False)
        )
    return ClaimAnswer(
        images=tuple(_claimed(row, work[row.id]) for row in rows if row.id not in done),
        devices=all_devices(connection) + split_screen_devices(connection),
        lease_seconds=lease_seconds,
        renew_seconds=lease_seconds / 3,
    )


def _take(
    connection: Connection, request: ClaimRequest, claim_id: str, now: float, lease_seconds: float, limit: int
) -> int:
    """Lease up to `limit` images in one statement, and return their number."""
    chosen = (
        select(images.c.id)
        .where(
            images.c.id.in_(_candidates(request.owner, request.attempt, now, limit)),
            _still_claimable(request.owner, request.attempt, now),
        )
        .order_by(
            images.c.rendered_at.is_not(None),
            (images.c.shard % request.shards) != request.shard,
            images.c.ingested_at,
            images.c.id,
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(
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
    ).rowcount


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
        turn=row.turn,
    )


def all_devices(connection: Connection) -> tuple[Device, ...]:
    """Return the current devices, sorted by key."""
    return tuple(
        Device(
            id=row.id,
            name=row.name,
            key=row.key,
            width=row.width,
            height=row.height,
            orientation=row.orientation,
            panel=panel_from(row.panel),
        )
        for row in connection.execute(select(devices).order_by(devices.c.key))
    )


def _holds(tokens: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(images.c.processing_status == "processing", images.c.lease_token.in_(tokens))


def renew(connection: Connection, tokens: Sequence[str], now: float, lease_seconds: float) -> list[str]:
    """Extend the leases that are still valid, and return the tokens of these leases."""
    statement = update(images).where(_holds(tokens)).values(lease_until=now + lease_seconds)
    return list(connection.scalars(statement.returning(images.c.lease_token)))


def release(connection: Connection, tokens: Sequence[str]) -> list[str]:
    """Return images whose leases hold to the queue, and return the tokens of these leases.

    An image that a task releases is not quarantined. As with every lease that ends early, the image
    keeps its position in the queue, since `queued_at` does not change.
    """
    statement = update(images).where(_holds(tokens)).values(processing_status="pending", attempt_open=False)
    return list(connection.scalars(statement.returning(images.c.lease_token)))


def free_owners(connection: Connection, owners: Sequence[str]) -> int:
    """Free the leases of owners known to be dead, and return the number of freed leases.

    `attempt_open` stays set, so the next claim quarantines the images that these owners were decoding.
    """
    return connection.execute(
        update(images)
        .where(images.c.processing_status == "processing", images.c.lease_owner.in_(owners))
        .values(processing_status="pending")
    ).rowcount


def working_owners(connection: Connection) -> list[str]:
    """Return the owners that hold a lease."""
    in_work = (images.c.processing_status == "processing") & images.c.lease_owner.is_not(None)
    return list(connection.scalars(select(images.c.lease_owner).where(in_work).distinct()))


def free_expired(connection: Connection, now: float, lease_seconds: float) -> int:
    """Set images whose leases have expired back to pending, and return the number of these images.

    No lease may end much later than a lease that is granted now. If the clock was set back, such a lease is shortened.
    Otherwise the images of a dead task would wait until the clock reaches its old time. A live owner
    renews its shortened lease in time.
    """
    duration = sa.case((images.c.lease_owner.is_(None), LEGACY_LEASE_SECONDS), else_=lease_seconds)
    in_work = images.c.processing_status == "processing"
    connection.execute(
        update(images).where(in_work, images.c.lease_until > now + 2 * duration).values(lease_until=now + duration)
    )
    return connection.execute(
        update(images).where(in_work, images.c.lease_until < now).values(processing_status="pending")
    ).rowcount


def start_attempt(connection: Connection, image_id: str, lease: str | None, now: float) -> int | None:
    """Record that decoding begins, and return the attempt's number, or None if the caller may not begin.

    A lease must hold. A repeated call counts once. A caller without a lease is a legacy client:
    it may begin a pending image, or one under a legacy lease.
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
    added = sa.case((images.c.attempt_open, 0), else_=1)
    statement = update(images).where(where).values(attempts=images.c.attempts + added, attempt_open=True, **values)
    attempts: int | None = connection.scalar(statement.returning(images.c.attempts))
    return attempts


def begin_attempt(
    connection: Connection, image_id: str, lease: str | None, now: float
) -> tuple[int, tuple[Device, ...]] | None:
    """Start an attempt. Return the attempt's number and the devices, or None if `start_attempt` returns None."""
    attempt = start_attempt(connection, image_id, lease, now)
    return None if attempt is None else (attempt, all_devices(connection))
