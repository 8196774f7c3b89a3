"""The time that photos take in each stage: stored with each photo, and summarised over the latest photos."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from backend.database.rows import stages_of
from backend.database.tables import images
from contract.messages.processing import MAX_SECONDS, ImageOutcome, StageSeconds

MAX_PHOTOS = 500
"""The number of latest photos that are summarised."""


class PhotoTimes(Struct, frozen=True, kw_only=True):
    """The times of one photo.

    The first three are in seconds since the epoch. The task has the photo from `claimed_at` to `processed_at`
    and renders it for `task_seconds` of this time.
    """

    queued_at: float
    claimed_at: float
    processed_at: float
    task_seconds: float
    stages: StageSeconds


class Stage(Struct, frozen=True, kw_only=True):
    """The median and the 95th percentile of the seconds that photos take in one stage."""

    name: str
    median: float
    p95: float


class StageTimes(Struct, frozen=True, kw_only=True):
    """The stages of waiting and of work, and the total, over the `measured` photos."""

    measured: int
    waiting: tuple[Stage, ...] = ()
    work: tuple[Stage, ...] = ()
    whole: Stage | None = None


def stored_stages(outcome: ImageOutcome, now: float) -> dict[str, float] | None:
    """Return the reported stages, with the time of the report added, as a photo's row stores them.

    Sidecars contain no stages; None is returned for them.
    """
    if outcome.stages is None:
        return None
    report = min(MAX_SECONDS, max(0.0, now - outcome.processed_at)) if outcome.processed_at else 0.0
    stages: dict[str, float] = msgspec.to_builtins(msgspec.structs.replace(outcome.stages, report=round(report, 4)))
    return stages


def stage_times(connection: Connection) -> StageTimes:
    """Summarise the times of the photos that were processed last and whose tasks reported stages."""
    columns = images.c
    query = (
        select(
            columns.queued_at, columns.claimed_at, columns.processed_at, columns.render_seconds, columns.stage_seconds
        )
        .where(columns.processed_at.is_not(None), columns.claimed_at.is_not(None), columns.render_seconds > 0)
        .order_by(columns.processed_at.desc())
        .limit(MAX_PHOTOS)
    )
    return summarize(
        [
            PhotoTimes(
                queued_at=row.queued_at,
                claimed_at=row.claimed_at,
                processed_at=row.processed_at,
                task_seconds=row.render_seconds,
                stages=stages,
            )
            for row in connection.execute(query)
            if (stages := stages_of(row.stage_seconds)) is not None
        ]
    )


def summarize(photos: Sequence[PhotoTimes]) -> StageTimes:
    """Return the median and the 95th percentile (nearest rank) of each stage over `photos`.

    Negative times count as 0. They occur because a photo can be queued again after its claim, and because
    the clocks of two machines differ.
    """
    if not photos:
        return StageTimes(measured=0)
    stages = [photo.stages for photo in photos]
    work = {
        "Fetching the original": [photo.fetching for photo in stages],
        "Announcing the attempt": [photo.announcing for photo in stages],
        "Decoding": [photo.decoding for photo in stages],
        "Finding colours and focus": [photo.colours for photo in stages],
        "Cutting and encoding": [photo.pictures for photo in stages],
        "Storing the pictures": [photo.storing for photo in stages],
        "Reporting the result": [photo.report for photo in stages if photo.report],
    }
    waiting = {
        "In the queue": [photo.claimed_at - photo.queued_at for photo in photos],
        "In the task, for its turn": [
            photo.processed_at - photo.claimed_at - photo.task_seconds + photo.stages.waiting for photo in photos
        ],
    }
    return StageTimes(
        measured=len(photos),
        waiting=tuple(_stage(name, seconds) for name, seconds in waiting.items()),
        work=tuple(_stage(name, seconds) for name, seconds in work.items() if seconds),
        whole=_stage(
            "From the queue to the frames",
            [photo.processed_at - photo.queued_at + photo.stages.report for photo in photos],
        ),
    )


def _stage(name: str, seconds: Iterable[float]) -> Stage:
    ordered = sorted(max(0.0, value) for value in seconds)

    def percentile(share: float) -> float:
        return ordered[math.ceil(share * len(ordered)) - 1]

    return Stage(name=name, median=percentile(0.5), p95=percentile(0.95))
