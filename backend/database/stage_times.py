"""How long photos take in each stage of their way: kept with each photo, and looked at over the latest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from backend.database.tables import images
from contract.messages.processing import MAX_SECONDS, ImageOutcome, StageSeconds

MEASURED = 500
"""As many of the photos that were processed last are measured."""


class PhotoTimes(Struct, frozen=True, kw_only=True):
    """One photo's times; the first three in seconds since the epoch, `claimed` to `processed` is its task's."""

    queued_at: float
    claimed_at: float
    processed_at: float
    task_seconds: float
    stages: StageSeconds


class Stage(Struct, frozen=True, kw_only=True):
    """A stage: half of the photos within `median` seconds, 95 of 100 within `most`."""

    name: str
    median: float
    most: float


class StageTimes(Struct, frozen=True, kw_only=True):
    """What waiting and what work cost the `measured` photos, stage by stage, and their whole way."""

    measured: int
    waiting: tuple[Stage, ...] = ()
    work: tuple[Stage, ...] = ()
    whole: Stage | None = None


def to_be_kept(outcome: ImageOutcome, now: float) -> dict[str, float] | None:
    """What a photo's row keeps of the stages that its task told, with the time of the report. A sidecar is none."""
    if outcome.stages is None:
        return None
    report = min(MAX_SECONDS, max(0.0, now - outcome.processed_at)) if outcome.processed_at else 0.0
    kept: dict[str, float] = msgspec.to_builtins(msgspec.structs.replace(outcome.stages, report=round(report, 4)))
    return kept


def stage_times(connection: Connection) -> StageTimes:
    """The times of the photos that were processed last, as far as their tasks told them."""
    columns = images.c
    query = (
        select(
            columns.queued_at, columns.claimed_at, columns.processed_at, columns.render_seconds, columns.stage_seconds
        )
        .where(columns.processed_at.is_not(None), columns.claimed_at.is_not(None), columns.render_seconds > 0)
        .order_by(columns.processed_at.desc())
        .limit(MEASURED)
    )
    return summed_up(
        [
            PhotoTimes(
                queued_at=row.queued_at,
                claimed_at=row.claimed_at,
                processed_at=row.processed_at,
                task_seconds=row.render_seconds,
                stages=msgspec.convert(row.stage_seconds, StageSeconds),
            )
            for row in connection.execute(query)
            if row.stage_seconds
        ]
    )


def summed_up(photos: Sequence[PhotoTimes]) -> StageTimes:
    """Medians and 95th percentiles (nearest rank) over `photos`. A way back in the queue may have begun after its
    claim, and clocks of two machines differ: less than nothing is nothing.
    """
    if not photos:
        return StageTimes(measured=0)
    told = [photo.stages for photo in photos]
    reports = [one.report for one in told if one.report]
    work = {
        "Fetching the original": [one.fetching for one in told],
        "Announcing the attempt": [one.announcing for one in told],
        "Decoding": [one.decoding for one in told],
        "Finding colours and focus": [one.colours for one in told],
        "Cutting and encoding": [one.pictures for one in told],
        "Storing the pictures": [one.storing for one in told],
        "Reporting the result": reports,
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

    def within(share: float) -> float:
        return ordered[math.ceil(share * len(ordered)) - 1]

    return Stage(name=name, median=within(0.5), most=within(0.95))
