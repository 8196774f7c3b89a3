"""What the tasks of an installation need for a megapixel, from the photos in its database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from core_library import Library

from backend.database import executions
from backend.database.tables import images
from backend.database.throughput import ASSUMED, LATEST_PHOTOS, work_rate
from backend.jobs.queue import gather_facts


def rendered(
    library: Library, owner: str | None, numbers: range, *, begun: float, each: float, pace: float, side: int = 1000
) -> None:
    """Photos that a task rendered: claimed at once, done one after the other every `pace` seconds."""
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
            "processed_at": begun + (place + 1) * pace,
            "render_seconds": each,
        }
        for place, number in enumerate(numbers)
    ]
    library.write(lambda connection: connection.execute(sa.insert(images), rows))


def test_nothing_measured_is_assumed(library: Library) -> None:
    assert library.read(work_rate) == ASSUMED
    rendered(library, "a/0", range(19), begun=100.0, each=1.0, pace=0.5)
    assert library.read(work_rate) == ASSUMED, "too few"
    rendered(library, None, range(20, 60), begun=100.0, each=1.0, pace=0.5)
    assert library.read(work_rate) == ASSUMED, "a client without leases is none of our tasks"


def test_photos_that_overlap_count_once(library: Library) -> None:
    rendered(library, "a/0", range(30), begun=100.0, each=9.0, pace=0.5, side=2000)
    found = library.read(work_rate)
    assert (found.photos, found.megapixels_per_photo) == (30, 4.0)
    assert found.seconds_per_megapixel == pytest.approx(15 / 120)


def test_a_task_that_waited_for_photos_is_not_slow(library: Library) -> None:
    rendered(library, "a/0", range(30), begun=100.0, each=0.2, pace=60.0)
    assert library.read(work_rate).seconds_per_megapixel == pytest.approx(0.2)


def test_tasks_are_weighted_by_their_work_and_old_ones_forgotten(library: Library) -> None:
    rendered(library, "old/0", range(1000, 1100), begun=1.0, each=99.0, pace=9.0)
    rendered(library, "a/0", range(LATEST_PHOTOS - 100), begun=10_000.0, each=9.0, pace=0.1)
    rendered(library, "a/1", range(600, 700), begun=10_000.0, each=9.0, pace=0.4)
    rendered(library, "lonely/0", range(900, 903), begun=20_000.0, each=50.0, pace=50.0)
    found = library.read(work_rate)
    assert found.photos == LATEST_PHOTOS - 3
    assert found.seconds_per_megapixel == pytest.approx((397 * 0.1 + 0.3 + 100 * 0.4) / found.photos, rel=0.02)


def test_the_plan_goes_by_what_was_measured_and_by_pixels(library: Library) -> None:
    rendered(library, "a/0", range(30), begun=100.0, each=9.0, pace=0.5)
    library.add(1000, 1001, at=5.0)
    facts = library.read(gather_facts, 10.0, 60.0)
    assert facts.seconds_per_megapixel == pytest.approx(0.5)
    assert (facts.pending, facts.first_pending_at) == (2, 5.0)
    assert facts.pending_megapixels == pytest.approx(2 * 40 * 30 / 1e6)
    library.claim(at=10.0, limit=1)
    facts = library.read(gather_facts, 10.0, 60.0)
    assert facts.in_work_megapixels == pytest.approx(40 * 30 / 1e6)


def test_a_start_that_failed_paid_for_no_minute(library: Library) -> None:
    library.add(1, at=5.0)
    library.write(executions.begin, "good", 1, 1, 100.0, 1000.0)
    library.write(executions.finish, "good", "succeeded", 110.0)
    library.write(executions.begin, "refused", 1, 1, 120.0, 1000.0)
    library.write(executions.finish, "refused", "failed", 121.0)
    assert library.read(gather_facts, 130.0, 60.0).last_started_at == 100.0
