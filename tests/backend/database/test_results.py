"""Reports of tasks: crashes, repetition, missing variants and rejected rows."""

from __future__ import annotations

import msgspec

from backend.database import garbage, images, results
from contract.messages.admin import RetryRequest
from tests.support.core_library import Library, image_id, outcome_of, rows_of, stored_path


def test_fail_with_three_crashes_fails_the_image(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    for crashes in (1, 2, 3):
        claimed = library.claim(f"e/{crashes}", at=100 * crashes).images[0]
        assert claimed.suspect == (crashes > 1)
        assert library.write(results.fail, image, "the sandbox crashed", claimed.lease, crashed=True)
        assert library.image(image)["strikes"] == crashes
        assert library.states()[image] == ("failed" if crashes == 3 else "pending")
        assert library.write(results.fail, image, "again", claimed.lease, crashed=True) is (crashes == 3)
        assert library.image(image)["strikes"] == crashes, "a repeated report is not another crash"
    assert library.image(image)["processing_error"] == "the sandbox crashed"
    assert len(library.write(images.retry, RetryRequest(which="failed"), 1000.0)) == 1
    claimed = library.claim("e/9", at=1001).images[0]
    assert not claimed.suspect
    assert library.image(image)["strikes"] == 0


def test_record_of_complete_image_resets_crash_count(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    first = library.claim(at=100).images[0]
    library.write(results.fail, image, "the sandbox crashed", first.lease, crashed=True)
    answer = library.claim(at=200)
    assert library.report(answer.images[0], answer, at=201) == (1, [])
    assert library.image(image)["strikes"] == 0
    assert not library.image(image)["suspect"]


def test_record_repeated_changes_nothing(library: Library) -> None:
    library.device("small")
    library.device("tall", 480, 800)
    (image,) = library.add(1)
    answer = library.claim(at=100)
    assert library.report(answer.images[0], answer, at=101) == (2, [])
    before = library.everything()
    assert library.report(answer.images[0], answer, at=102) == (2, [])
    assert library.everything() == before
    assert library.states()[image] == "complete"


def test_record_of_outcome_after_rows_stores_the_histogram(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    claimed = answer.images[0]
    library.report(claimed, answer, at=101, outcome=False)
    assert library.states()[image] == "complete"
    library.write(results.record, [], [outcome_of(claimed)], stored_path, 102.0)
    assert library.image(image)["histogram"] == {"#112233": 40, "#445566": 2}


def test_record_of_outcome_stores_the_size_that_the_task_found(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    outcome = msgspec.structs.replace(outcome_of(answer.images[0]), width=300, height=400)
    library.write(results.record, [], [outcome], stored_path, 101.0)
    row = library.image(image)
    assert (row["width"], row["height"], row["orientation"]) == (300, 400, "portrait")


def test_record_without_an_expected_variant_fails_the_image(library: Library) -> None:
    library.device("small")
    library.device("tall", 480, 800)
    (image,) = library.add(1)
    answer = library.claim(at=100)
    library.report(answer.images[0], answer, at=101, skip=1)
    row = library.image(image)
    assert row["processing_status"] == "failed"
    assert row["processing_error"] == "the task reported no usable picture for small"


def test_record_without_variant_of_a_new_device_requeues_the_image(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    library.device("tall", 480, 800, at=150)
    library.report(answer.images[0], answer, at=160)
    assert library.states()[image] == "pending"
    again = library.claim(at=170)
    assert [item.device for item in again.images[0].work] == ["tall"]
    library.report(again.images[0], again, at=171)
    assert library.states()[image] == "complete"


def test_record_stores_valid_rows_and_returns_errors_for_others(library: Library) -> None:
    library.device("small")
    library.device("tall", 480, 800)
    library.add(1)
    answer = library.claim(at=100)
    claimed = answer.images[0]
    valid, tall = rows_of(claimed, answer)
    rows = [
        valid,
        msgspec.structs.replace(tall, width=481),
        msgspec.structs.replace(tall, file_path="bad/path"),
        msgspec.structs.replace(tall, device_size="unknown"),
        msgspec.structs.replace(tall, image_id=image_id(99)),
        msgspec.structs.replace(tall, lease="another.token"),
    ]
    stored, errors = library.write(results.record, rows, [], stored_path, 101.0)
    assert stored == 1
    assert [error.error.split(" ")[0] for error in errors] == ["the", "filePath:", "no", "unknown", "the"]
    assert errors[0].error == "the device is 480x800, this picture is 481x800"


def test_record_of_outdated_size_schedules_deletion_after_a_day(library: Library) -> None:
    library.device("small")
    library.add(1)
    answer = library.claim(at=100)
    (rendered,) = rows_of(answer.images[0], answer)
    stale = msgspec.structs.replace(rendered, width=rendered.width + 1)
    assert library.write(results.record, [stale], [], stored_path, 101.0)[0] == 0
    name = stored_path(stale.file_path, stale.device_size, stale.image_id)
    day = 24 * 3600
    assert library.read(garbage.due, 100.0 + day, 9) == []
    assert library.read(garbage.due, 102.0 + day, 9) == [name]
    # The device is changed back and the variant is rendered again under the same name, so the object stays.
    assert library.write(results.record, [rendered], [], stored_path, 103.0)[0] == 1
    assert not library.write(garbage.confirm_deletion, name, stale.image_id, 104.0 + day)


def test_claim_completes_images_with_all_variants(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    library.report(answer.images[0], answer, at=101)
    assert library.by_hand("UPDATE images SET processing_status = 'pending'") == 1
    assert library.claim(at=103).images == ()
    assert library.states()[image] == "complete"


def test_record_without_devices_completes_the_image(library: Library) -> None:
    (image,) = library.add(1)
    answer = library.claim(at=100)
    assert answer.images[0].work == ()
    library.report(answer.images[0], answer, at=101)
    assert library.states()[image] == "complete"
    library.device("small", at=200)
    assert library.states()[image] == "pending"


def test_move_bucket_changes_uris_of_that_bucket_only(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    library.report(answer.images[0], answer, at=101)
    library.by_hand("UPDATE images SET thumbnail_path='file:///bucket/images/thumbnails/x.jpg'")
    library.write(images.move_bucket, "file:///bucket", "file:///new/50%_place")
    found = library.read(images.get, image)
    assert found is not None
    assert found.file_path == f"file:///new/50%_place/images/originals/{image}.jpg"
    assert found.thumbnail_path == "file:///new/50%_place/images/thumbnails/x.jpg"
    assert found.variants[0].file_path.startswith("file:///new/50%_place/processed/small/")
    # '%' and '_' in a URL are not wildcards, and a longer name is a different bucket.
    before = library.everything()
    library.write(images.move_bucket, "file:///new/50%_plac", "file:///wrong")
    library.write(images.move_bucket, "file:///new/50x_place", "file:///wrong")
    library.write(images.move_bucket, "file:///%", "file:///wrong")
    assert library.everything() == before
    library.write(images.move_bucket, "file:///new/50%_place", "file:///bucket")
    assert library.image(image)["file_path"] == f"file:///bucket/images/originals/{image}.jpg"
