"""The whole task in this process: a real claims server, a real bucket folder, real pictures."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import stamina.instrumentation
from claims_server import ClaimsServer, Fault
from PIL import Image
from task_world import DEVICES, World, jpeg

from contract import object_names
from contract.bucket import name_in
from contract.messages import Sidecar
from contract.recipes import recipe, thumbnail_recipe
from processor.memory_budget import Shares
from processor.one_image import Outcome
from processor.renderer import estimated_bytes
from processor.settings import MEBIBYTE
from processor.task import Task


@pytest.fixture(autouse=True)
def quiet_retries() -> None:
    stamina.instrumentation.set_on_retry_hooks(())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def test_every_photo_is_rendered_stored_and_reported_once(world: World) -> None:
    photos = world.add_photos(12)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 12}
    assert world.server.states() == {"complete": 12}
    for photo in photos:
        assert (photo.claims, photo.attempts, photo.reports) == (1, 1, 1)
        assert set(photo.rows) == {"wide one", "tall"}
        for device in DEVICES:
            row = photo.rows[str(device.key)]
            name = name_in(world.bucket, row.file_path)
            expected = recipe(device.width, device.height)
            assert name == object_names.variant(str(device.key), photo.id, expected)
            assert row.recipe == expected
            with Image.open(io.BytesIO(world.bucket.read(name))) as picture:
                assert picture.size == (device.width, device.height) == (row.width, row.height)
        assert photo.outcome is not None
        assert photo.outcome.histogram
        assert photo.outcome.seconds > 0
        assert photo.outcome.thumbnail is not None
        thumbnail = name_in(world.bucket, photo.outcome.thumbnail.file_path)
        assert thumbnail == object_names.thumbnail(photo.id, thumbnail_recipe())
        with Image.open(io.BytesIO(world.bucket.read(thumbnail))) as picture:
            assert picture.size == (200, 200)


def test_the_sidecar_says_the_same_as_the_report(world: World) -> None:
    (photo,) = world.add_photos(1)
    assert world.run()[0] == 0
    raw = world.bucket.read(object_names.sidecar(photo.id))
    given = json.loads(raw)
    assert set(given["results"][0]) >= {
        "deviceSize", "width", "height", "filePath", "colors", "primary", "secondary", "tertiary"
    }  # fmt: skip
    sidecar = msgspec.json.decode(raw, type=Sidecar)
    assert photo.outcome is not None
    moment = datetime.fromisoformat(sidecar.processed_at)
    assert moment.utcoffset() == datetime.now(UTC).utcoffset()
    assert abs(moment.timestamp() - photo.outcome.processed_at) < 0.01
    assert {result.file_path for result in sidecar.results} == {row.file_path for row in photo.rows.values()}
    assert sidecar.histogram == photo.outcome.histogram
    assert sidecar.owner == "run-1/0"


def test_results_travel_in_batches_and_claims_stay_small(world: World) -> None:
    world.add_photos(20)
    assert world.run()[0] == 0
    assert max(world.server.claim_limits) <= 4
    sizes = [len(batch.outcomes) for batch in world.server.batches]
    assert sum(sizes) == 20
    assert max(sizes) > 1
    assert max(sizes) <= 8


def test_nothing_to_do_ends_at_once(world: World) -> None:
    code, task = world.run(limit=5)
    assert code == 0
    assert task.counts.total() == 0
    assert len(world.server.claim_limits) == 2


def test_bad_photos_fail_with_a_sentence_and_the_task_goes_on(world: World) -> None:
    world.add_photos(3)
    text = world.add(b"this is no picture at all, only text", "notes.jpg")
    cut = world.add(jpeg(99, 900, 700)[:4000], "cut.jpg")
    lost = world.server.add("e" * 32, f"{world.bucket.url}/images/originals/{'e' * 32}.jpg", "lost.jpg")
    foreign = world.server.add("f" * 32, "gs://other-bucket/x.jpg", "foreign.jpg")
    code, task = world.run()
    assert code == 0
    assert world.server.states() == {"complete": 3, "failed": 4}
    assert task.counts[Outcome.FAILED] == 4
    assert text.error.startswith("notes.jpg ")
    assert cut.error.startswith("cut.jpg ")
    assert "no such object" in lost.error
    assert lost.error.startswith("lost.jpg")
    assert "does not lie in" in foreign.error
    assert [record.strikes for record in (text, cut, lost, foreign)] == [0, 0, 0, 0]


def test_a_picture_beyond_the_memory_fails_and_the_others_do_not(world: World) -> None:
    world.add_photos(2)
    data = jpeg(7, 3000, 3000)
    large = world.add(data, "large.jpg")
    needed = estimated_bytes(data, DEVICES, "large.jpg")
    assert needed > estimated_bytes(jpeg(0), DEVICES, "photo 0.jpg")
    code, _ = world.run(shares=Shares(64 * MEBIBYTE, needed - 1), render_threads=1)
    assert code == 0
    assert world.server.states() == {"complete": 2, "failed": 1}
    assert re.match(r"large\.jpg would need about [\d,]+ MiB of memory", large.error)


def test_an_original_over_the_limit_is_not_read(world: World, tmp_path: Path) -> None:
    huge = world.add(b"\xff\xd8 huge", "huge.jpg")
    with (tmp_path / "bucket" / "images" / "originals" / f"{huge.id}.jpg").open("r+b") as file:
        file.truncate(65 * MEBIBYTE)  # sparse
    assert world.run()[0] == 0
    assert "larger than" in huge.error


def test_lost_answers_are_repeated_without_harm(world: World) -> None:
    photos = world.add_photos(5)
    broken = world.add(b"no picture", "broken.jpg")
    for part in ("/claims", "/start", "/processed-images", "/failed"):
        world.server.fault(part, Fault(lose_answer=True), Fault(status=503, headers={"Retry-After": "0"}))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 5, Outcome.FAILED: 1}
    assert broken.state == "failed"
    assert [(photo.attempts, photo.claims) for photo in photos] == [(1, 1)] * 5


def test_a_lease_lost_at_the_start_drops_the_image_silently(world: World) -> None:
    photos = world.add_photos(2)
    world.server.fault(f"{photos[0].id}/start", Fault(status=409))
    world.server.fault(f"{photos[1].id}/start", Fault(status=404))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 2}
    assert world.server.batches == []
    assert not [call for call in world.server.calls if call[1].endswith("/failed")]


def test_a_lease_taken_away_cancels_the_work(world: World, caplog: pytest.LogCaptureFixture) -> None:
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
    assert "is lost" in caplog.text


def test_short_leases_are_renewed_in_time(world: World) -> None:
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 1.2
    world.server.fault("/start", Fault(stall_seconds=2.4))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1}
    assert photo.claims == 1
    assert len([call for call in world.server.calls if call[1].endswith("/renew")]) >= 3


def test_a_renewal_that_hangs_is_asked_again_before_the_lease_ends(world: World) -> None:
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 1.8
    world.server.fault("/renew", Fault(stall_seconds=4))
    world.server.fault("/start", Fault(stall_seconds=2.5))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1}
    assert (photo.claims, photo.reports) == (1, 1)


def test_nothing_is_reported_under_a_lease_that_ended_unrenewed(world: World) -> None:
    (photo,) = world.add_photos(1)
    world.server.lease_seconds = 0.4
    world.server.fault("/renew", *[Fault(status=503)] * 200)
    world.server.fault("/start", Fault(stall_seconds=1.0))

    def end_renewal_trouble(task: Task) -> None:
        if photo.claims >= 2:
            world.server.lease_seconds = 30.0
            world.server.faults["/renew"].clear()

    code, task = world.run(meanwhile=end_renewal_trouble)
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1}
    assert photo.claims == 2
    assert photo.reports == 1
    assert photo.outcome is not None
    assert photo.outcome.lease == photo.lease


def test_a_name_that_is_taken_gets_the_checksum_behind_it(world: World) -> None:
    import google_crc32c

    (photo,) = world.add_photos(1)
    wide = DEVICES[0]
    taken = object_names.variant("wide one", photo.id, recipe(wide.width, wide.height))
    world.bucket.create(taken, b"other bytes", "image/jpeg")
    assert world.run()[0] == 0
    stored = name_in(world.bucket, photo.rows["wide one"].file_path)
    data = world.bucket.read(stored)
    assert stored == taken.replace(".jpg", f"-{google_crc32c.value(data):08x}.jpg")
    assert world.bucket.read(taken) == b"other bytes"
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (160, 96)


def test_a_second_run_of_the_same_image_writes_the_same_names(world: World) -> None:
    (photo,) = world.add_photos(1)
    assert world.run()[0] == 0
    first = {key: row.file_path for key, row in photo.rows.items()}
    photo.state = "pending"
    assert world.run()[0] == 0
    assert {key: row.file_path for key, row in photo.rows.items()} == first
    assert photo.reports == 2


def test_refused_rows_are_dropped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (photo,) = world.add_photos(1)
    error = {"imageId": photo.id, "deviceSize": "tall", "error": "the lease is lost"}
    answer = json.dumps({"inserted": 0, "errors": [error]}).encode()
    world.server.fault("/processed-images", Fault(status=200, body=answer))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 1}
    assert "the lease is lost" in caplog.text


def test_one_result_that_is_not_understood_does_not_spoil_the_others(world: World) -> None:
    photos = world.add_photos(3)
    bad = photos[1].id

    original = world.server._report

    def picky(report: object) -> object:
        from claims_server import Refused

        if any(outcome.image_id == bad for outcome in report.outcomes):  # type: ignore[attr-defined]
            raise Refused(422, "histogram: too odd")
        return original(report)  # type: ignore[arg-type]

    world.server._report = picky  # type: ignore[method-assign,assignment]
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 2, Outcome.FAILED: 1}
    assert "histogram: too odd" in photos[1].error


@pytest.mark.parametrize(("token", "sentence"), [("a-wrong-token", "BACKEND_AUTH_TOKEN")])
def test_a_refused_token_ends_the_task_with_1(
    world: World, caplog: pytest.LogCaptureFixture, token: str, sentence: str
) -> None:
    world.add_photos(1)
    assert world.run(token=token)[0] == 1
    assert sentence in caplog.text


def test_another_version_ends_the_task_with_1(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_photos(1)
    world.server.renderer_version = 99
    assert world.run()[0] == 1
    assert "same version" in caplog.text


def test_a_recipe_that_is_not_ours_ends_the_task_and_hands_back(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import claims_server

    world.add_photos(1)
    monkeypatch.setattr(claims_server, "recipe", lambda width, height: "0123456789")
    assert world.run()[0] == 1
    assert "0123456789" in caplog.text
    assert world.server.states() == {"pending": 1}


def test_a_backend_that_goes_away_ends_the_task_with_1(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_photos(2)
    world.server.fault("/start", *[Fault(status=503)] * 500)
    code, _ = world.run(retry_seconds=0.5)
    assert code == 1
    assert "cannot work" in caplog.text
    assert world.server.states() == {"pending": 2}  # handed back


def test_a_bucket_that_fails_for_a_while_hands_images_back_and_goes_on(world: World, tmp_path: Path) -> None:
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


def test_a_bucket_that_stays_away_ends_the_task_with_1(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.add_photos(4)
    (tmp_path / "bucket" / ".incoming").rmdir()
    code, task = world.run()
    assert code == 1
    assert task.counts[Outcome.HANDED_BACK] >= 6
    assert "in a row" in caplog.text
    assert world.server.states() == {"pending": 4}


def test_a_bucket_that_takes_nothing_ends_the_task_and_blames_no_photo(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.add_photos(2)
    (tmp_path / "bucket" / "images" / "thumbnails").write_text("a file where a folder has to be")
    assert world.run()[0] == 1
    assert "cannot work" in caplog.text
    assert world.server.states() == {"pending": 2}


def test_a_fault_of_our_own_is_one_image_s_failure_with_a_traceback_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photos = world.add_photos(3)
    read = world.bucket.read

    def broken_read(name: str, limit: int | None = None) -> bytes:
        if photos[1].id in name:
            raise KeyError("no such key")
        return read(name, limit)

    monkeypatch.setattr(world.bucket, "read", broken_read)
    assert world.run()[0] == 0
    assert world.server.states() == {"complete": 2, "failed": 1}
    assert photos[1].error == "photo 1.jpg could not be rendered: KeyError: 'no such key'."
    assert "Traceback" in caplog.text


def test_a_failure_that_comes_too_late_is_dropped(world: World) -> None:
    broken = world.add(b"no picture", "broken.jpg")
    world.server.fault("/failed", Fault(status=409))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 1}
    assert broken.error == ""


def test_stop_hands_back_what_cannot_end(world: World) -> None:
    world.add_photos(8)
    world.server.fault("/start", *[Fault(stall_seconds=3)] * 8)

    def stop(task: Task) -> None:
        if any(call[1].endswith("/start") for call in world.server.calls):
            task.stop()

    code, task = world.run(meanwhile=stop, drain_seconds=0.3)
    assert code == 0
    assert world.server.states() == {"pending": 8}
    assert task.counts[Outcome.HANDED_BACK] > 0


def test_stop_during_a_claim_gives_back_what_was_just_claimed(world: World) -> None:
    world.add_photos(3)
    world.server.fault("/claims", Fault(stall_seconds=0.5))
    code, _ = world.run(meanwhile=lambda task: task.stop() if world.server.calls else None)
    assert code == 0
    assert world.server.states() == {"pending": 3}
    assert all(photo.attempts == 0 for photo in world.server.images.values())


def test_time_that_is_up_stops_claiming(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.add_photos(30)
    code, _ = world.run(timeout_seconds=0.3)
    assert code == 0
    assert "TASK_TIMEOUT_SECONDS" in caplog.text
    assert "processing" not in world.server.states()


def test_a_rendering_that_does_not_end_leaves_its_attempt_open(world: World) -> None:
    (photo,) = world.add_photos(1, width=2500, height=2500)
    code, task = world.run(render_seconds=0.001)
    assert code == 0
    assert task.counts == {Outcome.DROPPED: 1}
    assert (photo.state, photo.attempt_open) == ("processing", True)
