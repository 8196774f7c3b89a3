"""Leases of a task: renewed in time, lost or ended, and reports under them."""

from __future__ import annotations

import json
import logging

import pytest

from processor.task.image_job import Outcome
from processor.task.loop import Task
from tests.support.claims_server import Fault
from tests.support.task_world import World

pytestmark = pytest.mark.server


def test_job_lease_lost_at_start_drops_the_image(world: World) -> None:
    photos = world.add_photos(2)
    world.server.fault(f"{photos[0].id}/start", Fault(status=409))
    world.server.fault(f"{photos[1].id}/start", Fault(status=404))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 2}
    assert world.server.batches == []
    assert not [call for call in world.server.calls if call[1].endswith("/failed")]


def test_lease_lost_on_renewal_cancels_the_job(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 0.6
    world.server.fault("/start", Fault(stall_seconds=1.5))

    def take_away(task: Task) -> None:
        if photo.state == "processing":
            photo.lease, photo.state = "someone-else", "complete"

    code, task = world.run(meanwhile=take_away)
    assert code == 0
    assert task.counts == {}
    assert photo.reports == 0
    assert "lost (" in caplog.text


def test_lease_short_is_renewed_in_time(world: World) -> None:
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 1.2
    world.server.fault("/start", Fault(stall_seconds=2.4))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1}
    assert photo.claims == 1
    assert len([call for call in world.server.calls if call[1].endswith("/renew")]) >= 3


def test_lease_hanging_renewal_is_repeated_in_time(world: World) -> None:
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 1.8
    world.server.fault("/renew", Fault(stall_seconds=4))
    world.server.fault("/start", Fault(stall_seconds=2.5))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1}
    assert (photo.claims, photo.reports) == (1, 1)


def test_lease_expired_without_renewal_is_not_reported(world: World) -> None:
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 0.4
    world.server.fault("/renew", *[Fault(status=503)] * 200)
    world.server.fault("/start", Fault(stall_seconds=1.0))

    def end_renewal_faults(task: Task) -> None:
        if photo.claims >= 2:
            world.server.lease_seconds = 30.0
            world.server.faults["/renew"].clear()

    code, task = world.run(meanwhile=end_renewal_faults)
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1}
    assert photo.claims == 2
    assert photo.reports == 1
    assert photo.outcome is not None
    assert photo.outcome.lease == photo.lease


def test_report_rejected_rows_drop_the_image(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (photo,) = world.add_photos(1)
    error = {"imageId": photo.id, "deviceSize": "tall", "error": "the lease is lost"}
    answer = json.dumps({"inserted": 0, "errors": [error]}).encode()
    world.server.fault("/processed-images", Fault(status=200, body=answer))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 1}
    assert "the lease is lost" in caplog.text


def test_failure_with_a_lost_lease_is_dropped(world: World) -> None:
    broken = world.add(b"no picture", "broken.jpg")
    world.server.fault("/failed", Fault(status=409))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 1}
    assert broken.error == ""
