"""The whole task in this process, with a claims server, a bucket folder and real photos."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from contract import object_names
from contract.bucket.port import name_in
from contract.messages.sidecars import Sidecar
from contract.recipes import recipe, thumbnail_recipe
from processor.pool.memory_budget import Shares
from processor.pool.render_pool import estimated_bytes
from processor.settings import MEBIBYTE
from processor.task.image_job import Outcome
from tests.support.claims_server import Fault
from tests.support.task_world import DEVICES, World, jpeg

pytestmark = pytest.mark.server


def test_task_renders_stores_and_reports_each_photo_once(world: World) -> None:
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


def test_sidecar_equals_the_report(world: World) -> None:
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


def test_task_reports_in_batches_and_claims_few(world: World) -> None:
    world.add_photos(20)
    assert world.run()[0] == 0
    assert max(world.server.claim_limits) <= 4
    sizes = [len(batch.outcomes) for batch in world.server.batches]
    assert sum(sizes) == 20
    assert max(sizes) > 1
    assert max(sizes) <= 8


def test_task_without_images_ends_after_two_claims(world: World) -> None:
    code, task = world.run(limit=5)
    assert code == 0
    assert task.counts.total() == 0
    assert len(world.server.claim_limits) == 2


def test_task_bad_photos_fail_with_a_message_and_others_complete(world: World) -> None:
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
    assert "is not in the bucket" in foreign.error
    assert [record.strikes for record in (text, cut, lost, foreign)] == [0, 0, 0, 0]


def test_task_photo_beyond_memory_fails_and_others_complete(world: World) -> None:
    world.add_photos(2)
    data = jpeg(7, 3000, 3000)
    large = world.add(data, "large.jpg")
    needed = estimated_bytes(data, DEVICES, "large.jpg")
    assert needed > estimated_bytes(jpeg(0), DEVICES, "photo 0.jpg")
    code, _ = world.run(shares=Shares(64 * MEBIBYTE, needed - 1), render_threads=1)
    assert code == 0
    assert world.server.states() == {"complete": 2, "failed": 1}
    assert re.match(r"large\.jpg would need about [\d,]+ MiB of memory", large.error)


def test_task_original_over_the_limit_fails(world: World, tmp_path: Path) -> None:
    huge = world.add(b"\xff\xd8 huge", "huge.jpg")
    with (tmp_path / "bucket" / "images" / "originals" / f"{huge.id}.jpg").open("r+b") as file:
        file.truncate(65 * MEBIBYTE)  # sparse
    assert world.run()[0] == 0
    assert "larger than" in huge.error


def test_task_lost_responses_are_repeated_without_harm(world: World) -> None:
    photos = world.add_photos(5)
    broken = world.add(b"no picture", "broken.jpg")
    for part in ("/claims", "/start", "/processed-images", "/failed"):
        world.server.fault(part, Fault(lose_answer=True), Fault(status=503, headers={"Retry-After": "0"}))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 5, Outcome.FAILED: 1}
    assert broken.state == "failed"
    assert [(photo.attempts, photo.claims) for photo in photos] == [(1, 1)] * 5


def test_store_variants_taken_name_gets_a_checksum(world: World) -> None:
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


def test_task_second_run_writes_the_same_names(world: World) -> None:
    (photo,) = world.add_photos(1)
    assert world.run()[0] == 0
    first = {key: row.file_path for key, row in photo.rows.items()}
    photo.state = "pending"
    assert world.run()[0] == 0
    assert {key: row.file_path for key, row in photo.rows.items()} == first
    assert photo.reports == 2


def test_reporter_rejected_result_does_not_affect_its_batch(world: World) -> None:
    photos = world.add_photos(3)
    bad = photos[1].id

    original = world.server._report

    def rejecting(report: object) -> object:
        from tests.support.claims_server import Rejected

        if any(outcome.image_id == bad for outcome in report.outcomes):  # type: ignore[attr-defined]
            raise Rejected(422, "histogram: too odd")
        return original(report)  # type: ignore[arg-type]

    world.server._report = rejecting  # type: ignore[method-assign,assignment]
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 2, Outcome.FAILED: 1}
    assert "histogram: too odd" in photos[1].error


def test_job_internal_error_fails_one_photo_with_a_traceback(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photos = world.add_photos(3)

    def broken(name: str) -> None:
        if photos[1].id in name:
            raise KeyError("no such key")

    world.before_reads(monkeypatch, broken)
    assert world.run()[0] == 0
    assert world.server.states() == {"complete": 2, "failed": 1}
    assert photos[1].error == "photo 1.jpg could not be rendered: KeyError: 'no such key'."
    assert "Traceback" in caplog.text


def test_task_transient_backend_error_fails_no_photo(world: World) -> None:
    world.add_photos(2)
    world.server.fault("/processed-images", Fault(status=500), Fault(status=500))
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 2}
