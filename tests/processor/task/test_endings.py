"""Tasks that end early: errors of the system, a stop signal, the time limit."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from processor.task.image_job import Outcome
from processor.task.loop import Task
from tests.support.claims_server import Fault
from tests.support.task_world import World

pytestmark = pytest.mark.server


@pytest.mark.parametrize(("token", "sentence"), [("a-wrong-token", "BACKEND_AUTH_TOKEN")])
def test_task_rejected_token_exits_with_1(
    world: World, caplog: pytest.LogCaptureFixture, token: str, sentence: str
) -> None:
    world.add_photos(1)
    assert world.run(token=token)[0] == 1
    assert sentence in caplog.text


def test_task_other_version_exits_with_1(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_photos(1)
    world.server.renderer_version = 99
    assert world.run()[0] == 1
    assert "same version" in caplog.text


def test_task_unknown_recipe_exits_with_1_and_returns_images(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support import claims_server

    world.add_photos(1)
    monkeypatch.setattr(claims_server, "recipe", lambda width, height: "0123456789")
    assert world.run()[0] == 1
    assert "0123456789" in caplog.text
    assert world.server.states() == {"pending": 1}


def test_task_backend_outage_exits_with_1_and_returns_images(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_photos(2)
    world.server.fault("/start", *[Fault(status=503)] * 500)
    code, _ = world.run(retry_seconds=0.5)
    assert code == 1
    assert "cannot work" in caplog.text
    assert world.server.states() == {"pending": 2}  # handed back


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=302), Fault(status=200, body=b"[]")], ids=["500", "302", "not understood"]
)
def test_task_failing_reports_exit_with_1_and_fail_no_photo(
    world: World, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    world.add_photos(1)
    world.server.fault("/processed-images", *[fault] * 100)
    code, task = world.run(retry_seconds=0.5)
    assert code == 1
    assert "cannot work" in caplog.text
    assert task.counts[Outcome.FAILED] == 0
    assert world.server.states() == {"pending": 1}


def test_task_transient_bucket_error_returns_images_and_continues(world: World, tmp_path: Path) -> None:
    photos = world.add_photos(1)
    incoming = tmp_path / "bucket" / ".incoming"
    incoming.rmdir()

    def repair(task: Task) -> None:
        if task.counts[Outcome.HANDED_BACK]:
            incoming.mkdir(exist_ok=True)

    code, task = world.run(meanwhile=repair)
    assert code == 0
    assert task.counts[Outcome.COMPLETE] == 1
    assert 1 <= task.counts[Outcome.HANDED_BACK] < 6
    assert photos[0].claims == task.counts[Outcome.HANDED_BACK] + 1


def test_task_permanent_bucket_outage_exits_with_1(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.add_photos(4)
    (tmp_path / "bucket" / ".incoming").rmdir()
    code, task = world.run()
    assert code == 1
    assert task.counts[Outcome.HANDED_BACK] >= 6
    assert "in a row" in caplog.text
    assert world.server.states() == {"pending": 4}


def test_task_unwritable_bucket_exits_with_1_and_fails_no_photo(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.add_photos(2)
    incoming = tmp_path / "bucket" / ".incoming"
    incoming.rmdir()
    incoming.write_text("a file where the bucket's own folder has to be")
    assert world.run()[0] == 1
    assert "cannot work" in caplog.text
    assert world.server.states() == {"pending": 2}


def test_task_stop_returns_unfinished_images(world: World) -> None:
    world.add_photos(8)
    world.server.fault("/start", *[Fault(stall_seconds=3)] * 8)

    def stop(task: Task) -> None:
        if any(call[1].endswith("/start") for call in world.server.calls):
            task.stop()

    code, task = world.run(meanwhile=stop, drain_seconds=0.3)
    assert code == 0
    assert world.server.states() == {"pending": 8}
    assert task.counts[Outcome.HANDED_BACK] > 0


def test_task_stop_during_a_claim_returns_the_claimed_images(world: World) -> None:
    world.add_photos(3)
    world.server.fault("/claims", Fault(stall_seconds=0.5))
    code, _ = world.run(meanwhile=lambda task: task.stop() if world.server.calls else None)
    assert code == 0
    assert world.server.states() == {"pending": 3}
    assert all(photo.attempts == 0 for photo in world.server.images.values())


def test_task_near_its_time_limit_stops_claiming(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.add_photos(30)
    code, _ = world.run(timeout_seconds=0.3)
    assert code == 0
    assert "TASK_TIMEOUT_SECONDS" in caplog.text
    assert "processing" not in world.server.states()
