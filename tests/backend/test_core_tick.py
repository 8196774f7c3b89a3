"""The timed work: called by hand, twice at once, with a clock that jumps, and after a crash."""

# Some tests look at files and wait for processes while nothing else runs in their loop.
# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from core_library import HISTOGRAM, LEASE_SECONDS, PALETTE, image_id

from backend.database import claims, devices, executions, garbage, images
from backend.jobs.queue import JobQueue
from backend.jobs.runner_local import LocalRunner
from backend.services import Services
from backend.settings import Settings
from backend.tick import TickReport, loop, tick
from contract import object_names
from contract.bucket import ObjectNotFound, uri_of
from contract.device_messages import DeviceBody
from contract.messages import ClaimRequest
from contract.recipes import recipe
from contract.sidecars import Sidecar, SidecarResult

HOUR = 3600.0


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def run(
    folder: Path,
    act: Callable[[Services, Clock], Awaitable[object]],
    *,
    script: str = "pass",
    **changes: Any,
) -> None:
    """Do `act` with the services of a backend whose loop is off and whose tasks run `script`."""
    made = Settings(
        slideshow_data=str(folder),
        processor_auth_token="token-of-the-tests",
        admin_password="password-of-the-tests",
        tick_seconds=0.0,
        **changes,
    )

    async def body() -> None:
        clock = Clock()
        services = Services(made, own_url="http://127.0.0.1:9", clock=clock)
        await services.start()
        services.runner = LocalRunner(
            services.database,
            dict,
            max_tasks=2,
            timeout_seconds=made.task_timeout_seconds,
            retries=0,
            ended=services.hint.set,
            command=[sys.executable, "-c", script],
        )
        services.queue = JobQueue(services.database, services.runner, made)
        try:
            async with asyncio.timeout(60):
                await act(services, clock)
        finally:
            await services.close()

    asyncio.run(body())


async def add(services: Services, *numbers: int) -> list[str]:
    """Take in photos at this moment."""
    for number in numbers:
        values = {
            "id": image_id(number),
            "file_path": uri_of(services.bucket, object_names.original(image_id(number), ".jpg")),
            "file_hash": image_id(number) * 2,
            "filename": "x.jpg",
            "byte_size": 1,
            "width": 4,
            "height": 3,
            "orientation": "landscape",
            "ingested_at": services.clock(),
        }
        assert await services.database.write(images.add, values)
    return [image_id(number) for number in numbers]


async def device(services: Services, name: str = "small") -> None:
    """A device of 800 x 480."""
    body = DeviceBody(name=name, width=800, height=480)
    await services.database.write(devices.save, name, body, "hash", services.clock())


async def claim(services: Services, owner: str = "elsewhere/0") -> list[str]:
    """Claim everything; the leases."""
    request = ClaimRequest(owner=owner, limit=50)
    answer = await services.database.write(claims.claim, request, "ab" * 16, services.clock(), LEASE_SECONDS)
    return [image.lease for image in answer.images]


def leave_sidecar(services: Services, image: str) -> None:
    """What a task leaves whose report was lost."""
    result = SidecarResult(
        device_size="small",
        width=800,
        height=480,
        file_path=object_names.variant("small", image, recipe(800, 480)),
        colors=PALETTE.all_colors,
        primary=PALETTE.primary,
        secondary=PALETTE.secondary,
        tertiary=PALETTE.tertiary,
        recipe=recipe(800, 480),
    )
    made = Sidecar(image_id=image, processed_at="2025-01-31T12:00:00Z", results=(result,), histogram=HISTOGRAM)
    services.bucket.replace(result.file_path, b"a picture", "image/jpeg")
    services.bucket.replace(object_names.sidecar(image), msgspec.json.encode(made), "application/json")


async def until_ended(services: Services) -> int:
    """Follow until every execution has ended; how many did."""
    ended = 0
    while await services.database.read(executions.unfinished):
        await services.hint.wait()
        services.hint.clear()
        ended += await services.queue.follow(services.clock())
    return ended


def test_a_tick_with_nothing_to_do_does_nothing(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        assert await tick(services) == TickReport(reason="nothing is pending")
        assert await tick(services) == TickReport(reason="nothing is pending")

    run(tmp_path, act)


def test_two_ticks_at_once_do_everything_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        lost, _, _, _ = await add(services, 1, 2, 3, 4)
        assert len(await claim(services)) == 4
        leave_sidecar(services, lost)
        services.bucket.replace("processed/small/old.jpg", b"x", "image/jpeg")
        old = uri_of(services.bucket, "processed/small/old.jpg")
        await services.database.write(garbage.discard, [old], clock.now)
        clock.now += LEASE_SECONDS + 31
        reports = await asyncio.gather(tick(services), tick(services))
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


def test_many_ticks_at_once_start_one_execution(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, *range(5))
        clock.now += 31
        reports = await asyncio.gather(*(tick(services) for _ in range(8)))
        started = [report.started for report in reports if report.started]
        assert len(started) == 1
        assert started[0].startswith("slideshow-processor-")

    run(tmp_path, act, script="import time; time.sleep(0.5)")


def test_the_batch_and_the_delay_decide(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, 1, 2)
        clock.now += 29
        report = await tick(services)
        assert (report.started, report.reason) == (None, "2 of 3 gathered, the first 29 s ago")
        await add(services, 3)
        assert (await tick(services)).started is not None

    run(tmp_path, act, batch_size=3)


def test_the_clock_jumps_an_hour_forward(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        (image,) = await add(services, 1)
        (lease,) = await claim(services)
        await tick(services)
        clock.now += HOUR
        assert (await tick(services)).freed_leases == 1
        assert await services.database.read(images.state_of, image) == "pending"
        assert await services.database.write(claims.renew, [lease], clock.now, LEASE_SECONDS) == []
        await until_ended(services)

    run(tmp_path, act)


def test_the_clock_jumps_an_hour_back(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        waiting, lost = await add(services, 1, 2)
        await tick(services)
        clock.now -= HOUR
        leave_sidecar(services, lost)
        report = await tick(services)
        assert report.started is not None, "photos of the future do not wait for it"
        assert report.synced == 1, "the sync does not wait for the hour to pass again"
        assert await services.database.read(images.state_of, waiting) == "pending"
        assert await until_ended(services) == 1

    run(tmp_path, act)


def test_a_lease_from_before_the_clock_was_set_back_ends_with_its_owner(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        await add(services, 1)
        clock.now += 31
        name = (await tick(services)).started
        (lease,) = await claim(services, f"{name}/0")
        clock.now -= HOUR
        assert await services.database.write(claims.renew, [lease], clock.now, LEASE_SECONDS) == [lease]
        await until_ended(services)
        assert await services.database.read(images.state_of, image_id(1)) == "pending"

    run(tmp_path, act, script="import time; time.sleep(0.5)")


@pytest.mark.parametrize("jump", [6.0, HOUR, -HOUR])
def test_a_start_that_died_with_its_backend_blocks_nobody(tmp_path: Path, jump: float) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, 1)
        clock.now += 31
        assert await services.database.write(executions.begin, "dead", 1, 1, clock.now, clock.now)
        report = await tick(services)
        assert report.started is None
        assert report.ended_executions == 0, "it may be starting in another process at this moment"
        clock.now += jump
        report = await tick(services)
        assert report.ended_executions == 1
        assert report.started is not None
        found = {info.name: info.state for info in await services.database.read(executions.recent, 10)}
        assert found["dead"] == "lost"

    run(tmp_path, act)


def test_a_failed_execution_is_tried_again_after_a_while(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        await add(services, 1)
        clock.now += 31
        assert (await tick(services)).started
        await until_ended(services)
        report = await tick(services)
        assert (report.started, "1 executions failed" in report.reason) == (None, True)
        clock.now += 5
        assert (await tick(services)).started
        await until_ended(services)
        clock.now += 5
        assert "2 executions failed" in (await tick(services)).reason
        (last, _) = await services.database.read(executions.recent, 10)
        assert (last.state, last.error) == ("failed", "task 0 ended with exit code 9")

    run(tmp_path, act, script="import sys; sys.exit(9)")
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("[JobQueue] started slideshow-processor-") for line in told)
    assert any("failed after" in line and "exit code 9" in line for line in told)
    assert "Job queue manager initialized" in told
    assert "Metadata sync service initialized" in told


def test_garbage_goes_in_time_and_what_is_in_use_again_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        (image,) = await add(services, 1)
        leave_sidecar(services, image)
        await tick(services)
        used = object_names.variant("small", image, recipe(800, 480))
        for name in (used, "processed/small/later.jpg", "processed/small/now.jpg"):
            services.bucket.replace(name, b"x", "image/jpeg")
        note = services.database.write
        await note(garbage.discard, [uri_of(services.bucket, "processed/small/later.jpg")], clock.now + 10)
        await note(garbage.discard, [uri_of(services.bucket, "processed/small/now.jpg")], clock.now)
        await note(garbage.discard, [uri_of(services.bucket, used)], clock.now)
        await note(garbage.discard, ["gs://foreign/x"], clock.now)
        await tick(services)
        left = [entry.name for entry in services.bucket.list("processed/", recursive=True)]
        assert left == sorted([used, "processed/small/later.jpg"])
        assert "gs://foreign/x is not ours to remove" in caplog.text
        clock.now += 10
        await tick(services)
        assert [entry.name for entry in services.bucket.list("processed/", recursive=True)] == [used]

    run(tmp_path, act)


def test_the_loop_survives_trouble_and_takes_a_hint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(services: Services, clock: Clock) -> None:
        working = services.queue
        services.queue = None  # type: ignore[assignment]
        going = asyncio.create_task(loop(services, 600))
        async with asyncio.timeout(20):
            while services.last_error is None:
                await asyncio.sleep(0.01)
        assert "AttributeError" in services.last_error
        services.queue = working
        await add(services, 1)
        clock.now += 31
        services.hint.set()
        async with asyncio.timeout(20):
            while not await services.database.read(executions.recent, 10):
                await asyncio.sleep(0.01)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    run(tmp_path, act)
    assert "failed and is tried again" in caplog.text


def test_a_data_folder_that_was_moved_is_followed(tmp_path: Path) -> None:
    async def fill(services: Services, clock: Clock) -> None:
        await device(services)
        (image,) = await add(services, 1)
        leave_sidecar(services, image)
        assert (await tick(services)).synced == 1

    async def look(services: Services, clock: Clock) -> None:
        found = await services.database.read(images.one, image_id(1))
        assert found is not None
        assert found.file_path == uri_of(services.bucket, object_names.original(image_id(1), ".jpg"))
        assert found.variants[0].file_path.startswith((tmp_path / "new place" / "bucket").as_uri() + "/processed/")

    run(tmp_path / "old", fill)
    (tmp_path / "old").rename(tmp_path / "new place")
    run(tmp_path / "new place", look)


def test_services_close_in_order_even_while_tasks_run(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, 1)
        clock.now += 31
        assert (await tick(services)).started

    run(tmp_path, act, script="import time; time.sleep(60)")
