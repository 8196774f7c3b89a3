"""The measured seconds of a task per megapixel, and its use by the job queue."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from backend.database import executions
from backend.database.tables import images
from backend.database.throughput import ASSUMED, LATEST_PHOTOS, work_rate
from backend.jobs.queue import gather_facts
from tests.support.core_library import Library


def rendered(
    library: Library, owner: str | None, numbers: range, *, begun: float, each: float, pace: float, side: int = 1000
) -> None:
    """Insert photos of one task, claimed together and finished one by one every `pace` seconds."""
    rows = [
        {
            "id": f"{number:032x}",
            "file_path": "x",
            "file_hash": f"{number:064x}",
            "width": side,
            "height": side,
            "orientation": "square",
            "processing_status": "complete",
            "ingested_at": 0.0,
            "queued_at": 0.0,
            "shard": 0,
            "lease_owner": owner,
            "claimed_at": begun,
            "processed_at": begun + (index + 1) * pace,
            "render_seconds": each,
        }
        for index, number in enumerate(numbers)
    ]
    library.write(lambda connection: connection.execute(sa.insert(images), rows))


def test_work_rate_with_few_photos_is_assumed(library: Library) -> None:
    assert library.read(work_rate) == ASSUMED
    rendered(library, "a/0", range(19), begun=100.0, each=1.0, pace=0.5)
    assert library.read(work_rate) == ASSUMED, "too few photos"
    rendered(library, None, range(20, 60), begun=100.0, each=1.0, pace=0.5)
    assert library.read(work_rate) == ASSUMED, "a legacy client is not measured"


def test_work_rate_counts_overlapping_photos_once(library: Library) -> None:
    rendered(library, "a/0", range(30), begun=100.0, each=9.0, pace=0.5, side=2000)
    found = library.read(work_rate)
    assert (found.photos, found.megapixels_per_photo) == (30, 4.0)
    assert found.seconds_per_megapixel == pytest.approx(15 / 120)


def test_work_rate_ignores_waiting_for_photos(library: Library) -> None:
    rendered(library, "a/0", range(30), begun=100.0, each=0.2, pace=60.0)
    assert library.read(work_rate).seconds_per_megapixel == pytest.approx(0.2)


def test_work_rate_weighs_tasks_by_work_and_drops_old_ones(library: Library) -> None:
    rendered(library, "old/0", range(1000, 1100), begun=1.0, each=99.0, pace=9.0)
    rendered(library, "a/0", range(LATEST_PHOTOS - 100), begun=10_000.0, each=9.0, pace=0.1)
    rendered(library, "a/1", range(600, 700), begun=10_000.0, each=9.0, pace=0.4)
    rendered(library, "lonely/0", range(900, 903), begun=20_000.0, each=50.0, pace=50.0)
    found = library.read(work_rate)
    assert found.photos == LATEST_PHOTOS - 3
    assert found.seconds_per_megapixel == pytest.approx((397 * 0.1 + 0.3 + 100 * 0.4) / found.photos, rel=0.02)


def test_gather_facts_uses_measured_rate_and_pixels(library: Library) -> None:
    rendered(library, "a/0", range(30), begun=100.0, each=9.0, pace=0.5)
    library.add(1000, 1001, at=5.0)
    facts = library.read(gather_facts, 10.0, 60.0)
    assert facts.seconds_per_megapixel == pytest.approx(0.5)
    assert (facts.pending, facts.first_pending_at) == (2, 5.0)
    assert facts.pending_megapixels == pytest.approx(2 * 40 * 30 / 1e6)
    library.claim(at=10.0, limit=1)
    facts = library.read(gather_facts, 10.0, 60.0)
    assert facts.in_work_megapixels == pytest.approx(40 * 30 / 1e6)


def test_gather_facts_ignores_failed_starts(library: Library) -> None:
    library.add(1, at=5.0)
    library.write(executions.begin, "good", 1, 1, 100.0, 1000.0)
    library.write(executions.finish, "good", "succeeded", 110.0)
    library.write(executions.begin, "rejected", 1, 1, 120.0, 1000.0)
    library.write(executions.finish, "rejected", "failed", 121.0)
    assert library.read(gather_facts, 130.0, 60.0).last_started_at == 100.0
