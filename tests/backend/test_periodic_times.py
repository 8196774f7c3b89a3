"""The timed work while the clock jumps, and after a crash or a failure."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from backend.database import claims, executions, images
from backend.periodic import run_periodic_work
from backend.services import Services
from tests.support.core_library import LEASE_SECONDS, image_id
from tests.support.tick_world import HOUR, Clock, add, claim, device, leave_sidecar, run, until_ended

pytestmark = pytest.mark.server


def test_periodic_work_after_the_clock_jumps_forward_continues(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        (image,) = await add(services, 1)
        (lease,) = await claim(services)
        await run_periodic_work(services)
        clock.now += HOUR
        assert (await run_periodic_work(services)).freed_leases == 1
        assert await services.database.read(images.state_of, image) == "pending"
        assert await services.database.write(claims.renew, [lease], clock.now, LEASE_SECONDS) == []
        await until_ended(services)

    run(tmp_path, act)


def test_periodic_work_after_the_clock_jumps_back_continues(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        waiting, lost = await add(services, 1, 2)
        await run_periodic_work(services)
        clock.now -= HOUR
        leave_sidecar(services, lost)
        report = await run_periodic_work(services)
        assert report.started is not None, "photos of the future do not wait for it"
        assert report.synced == 1, "the sync does not wait for the hour to pass again"
        assert await services.database.read(images.state_of, waiting) == "pending"
        assert await until_ended(services) == 1

    run(tmp_path, act)


def test_lease_from_before_the_clock_was_set_back_ends_with_its_owner(tmp_path: Path) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        await add(services, 1)
        clock.now += 31
        name = (await run_periodic_work(services)).started
        (lease,) = await claim(services, f"{name}/0")
        clock.now -= HOUR
        assert await services.database.write(claims.renew, [lease], clock.now, LEASE_SECONDS) == [lease]
        await until_ended(services)
        assert await services.database.read(images.state_of, image_id(1)) == "pending"

    run(tmp_path, act, script="import time; time.sleep(0.5)")


@pytest.mark.parametrize("jump", [6.0, HOUR, -HOUR])
def test_follow_start_of_a_crashed_backend_is_lost(tmp_path: Path, jump: float) -> None:
    async def act(services: Services, clock: Clock) -> None:
        await add(services, 1)
        clock.now += 31
        assert await services.database.write(executions.begin, "dead", 1, 1, clock.now, clock.now)
        report = await run_periodic_work(services)
        assert report.started is None
        assert report.ended_executions == 0, "it may be starting in another process at this moment"
        clock.now += jump
        report = await run_periodic_work(services)
        assert report.ended_executions == 1
        assert report.started is not None
        found = {info.name: info.state for info in await services.database.read(executions.recent, 10)}
        assert found["dead"] == "lost"

    run(tmp_path, act)


def test_failed_execution_is_started_again_after_the_backoff(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def act(services: Services, clock: Clock) -> None:
        await device(services)
        await add(services, 1)
        clock.now += 31
        assert (await run_periodic_work(services)).started
        await until_ended(services)
        report = await run_periodic_work(services)
        assert (report.started, "1 executions failed" in report.reason) == (None, True)
        clock.now += 5
        assert (await run_periodic_work(services)).started
        await until_ended(services)
        clock.now += 5
        assert "2 executions failed" in (await run_periodic_work(services)).reason
        (last, _) = await services.database.read(executions.recent, 10)
        assert (last.state, last.error) == ("failed", "task 0 ended with exit code 9")

    run(tmp_path, act, script="import sys; sys.exit(9)")
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("[JobQueue] started slideshow-processor-") for line in lines)
    assert any("failed after" in line and "exit code 9" in line for line in lines)
    assert "Job queue manager initialized" in lines
    assert "Metadata sync service initialized" in lines
