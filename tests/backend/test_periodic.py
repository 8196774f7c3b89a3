"""The timed work: called by hand, twice at once, by its loop, and at its end."""

# Some tests look at files and wait for processes while nothing else runs in their loop.

# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.database import executions, garbage, images
from backend.periodic import TickReport, run_periodic_work, run_periodically
from backend.services import Services
from contract import object_names
from contract.bucket.port import ObjectNotFound, uri_of
from contract.recipes import recipe
from tests.support.core_library import LEASE_SECONDS, image_id
from tests.support.tick_world import Clock, add, claim, device, leave_sidecar, run, until_ended

pytestmark = pytest.mark.server


def test_periodic_work_with_nothing_to_do_reports_nothing(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        assert await run_periodic_work(services) == TickReport(reason="nothing is pending")
        assert await run_periodic_work(services) == TickReport(reason="nothing is pending")

    run(tmp_path, act)


def test_periodic_work_run_twice_concurrently_does_everything_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        lost, _, _, _ = await add(services, 1, 2, 3, 4)
        assert len(await claim(services)) == 4
        leave_sidecar(services, lost)
        services.bucket.replace("processed/small/old.jpg", b"x", "image/jpeg")
        old = uri_of(services.bucket, "processed/small/old.jpg")
        await services.database.write(garbage.schedule_deletion, [old], clock.now)
        clock.now += LEASE_SECONDS + 31
        reports = await asyncio.gather(run_periodic_work(services), run_periodic_work(services))
        assert sorted(report.freed_leases for report in reports) == [0, 4]
        assert len([report for report in reports if report.started]) == 1
        assert sorted(report.synced for report in reports) == [0, 1]
        assert len(await services.database.read(executions.recent, 10)) == 1
        assert await services.database.read(images.state_of, lost) == "complete"
        with pytest.raises(ObjectNotFound):
            services.bucket.read("processed/small/old.jpg")
        assert await until_ended(services) == 1
        (ended,) = await services.database.read(executions.recent, 10)
        assert ended.state == "succeeded"

    run(tmp_path, act)


def test_periodic_work_run_concurrently_starts_one_execution(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, *range(5))
        clock.now += 31
        reports = await asyncio.gather(*(run_periodic_work(services) for _ in range(8)))
        started = [report.started for report in reports if report.started]
        assert len(started) == 1
        assert started[0].startswith("slideshow-processor-")

    run(tmp_path, act, script="import time; time.sleep(0.5)")


def test_periodic_work_dispatches_a_full_batch(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, 1, 2)
        clock.now += 29
        report = await run_periodic_work(services)
        assert (report.started, report.reason) == (None, "2 of 3 gathered, the first 29 s ago")
        await add(services, 3)
        assert (await run_periodic_work(services)).started is not None

    run(tmp_path, act, batch_size=3)


def test_periodic_work_removes_due_garbage_and_keeps_used_objects(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        (image,) = await add(services, 1)
        leave_sidecar(services, image)
        await run_periodic_work(services)
        used = object_names.variant("small", image, recipe(800, 480))
        for name in (used, "processed/small/later.jpg", "processed/small/now.jpg"):
            services.bucket.replace(name, b"x", "image/jpeg")
        note = services.database.write
        await note(garbage.schedule_deletion, [uri_of(services.bucket, "processed/small/later.jpg")], clock.now + 10)
        await note(garbage.schedule_deletion, [uri_of(services.bucket, "processed/small/now.jpg")], clock.now)
        await note(garbage.schedule_deletion, [uri_of(services.bucket, used)], clock.now)
        await note(garbage.schedule_deletion, ["gs://foreign/x"], clock.now)
        await run_periodic_work(services)
        left = [entry.name for entry in services.bucket.list("processed/", recursive=True)]
        assert left == sorted([used, "processed/small/later.jpg"])
        assert "gs://foreign/x is not in our bucket" in caplog.text
        clock.now += 10
        await run_periodic_work(services)
        assert [entry.name for entry in services.bucket.list("processed/", recursive=True)] == [used]

    run(tmp_path, act)


def test_run_periodically_survives_errors_and_wakes_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(services: Services, clock: Clock) -> None:
        working = services.queue
        services.queue = None  # type: ignore[assignment]
        going = asyncio.create_task(run_periodically(services, 600))
        async with asyncio.timeout(20):
            while services.last_error is None:
                await asyncio.sleep(0.01)
        assert "AttributeError" in services.last_error
        services.queue = working
        await add(services, 1)
        clock.now += 31
        services.wake_up.set()
        async with asyncio.timeout(20):
            while not await services.database.read(executions.recent, 10):
                await asyncio.sleep(0.01)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    run(tmp_path, act)
    assert "failed and is tried again" in caplog.text


def test_open_services_after_the_data_folder_moved_updates_addresses(tmp_path: Path) -> None:
    async def fill(services: Services, clock: Clock) -> None:
        await device(services)
        (image,) = await add(services, 1)
        leave_sidecar(services, image)
        assert (await run_periodic_work(services)).synced == 1

    async def look(services: Services, clock: Clock) -> None:
        found = await services.database.read(images.get, image_id(1))
        assert found is not None
        assert found.file_path == uri_of(services.bucket, object_names.original(image_id(1), ".jpg"))
        assert found.variants[0].file_path.startswith((tmp_path / "new place" / "bucket").as_uri() + "/processed/")

    run(tmp_path / "old", fill)
    (tmp_path / "old").rename(tmp_path / "new place")
    run(tmp_path / "new place", look)


def test_close_services_while_tasks_run_ends_them(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, 1)
        clock.now += 31
        assert (await run_periodic_work(services)).started

    run(tmp_path, act, script="import time; time.sleep(60)")
