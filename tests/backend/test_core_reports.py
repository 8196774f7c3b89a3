"""What tasks report: strikes, repetition, what is owed, and what is refused."""

from __future__ import annotations

import msgspec
from core_library import Library, image_id, outcome_of, rows_of, stored_path

from backend.database import garbage, images, results
from contract.messages.admin import RetryRequest


def test_three_strikes_fail_and_two_do_not(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    for strike in (1, 2, 3):
        claimed = library.claim(f"e/{strike}", at=100 * strike).images[0]
        assert claimed.suspect == (strike > 1)
        assert library.write(results.fail, image, "the child died", claimed.lease, crashed=True)
        assert library.image(image)["strikes"] == strike
        assert library.states()[image] == ("failed" if strike == 3 else "pending")
        assert library.write(results.fail, image, "again", claimed.lease, crashed=True) is (strike == 3)
        assert library.image(image)["strikes"] == strike, "the same report again is no further strike"
    assert library.image(image)["processing_error"] == "the child died"
    assert len(library.write(images.retry, RetryRequest(which="failed"), 1000.0)) == 1
    claimed = library.claim("e/9", at=1001).images[0]
    assert not claimed.suspect
    assert library.image(image)["strikes"] == 0


def test_success_forgives_strikes(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    first = library.claim(at=100).images[0]
    library.write(results.fail, image, "the child died", first.lease, crashed=True)
    answer = library.claim(at=200)
    assert library.report(answer.images[0], answer, at=201) == (1, [])
    assert library.image(image)["strikes"] == 0
    assert not library.image(image)["suspect"]


def test_a_report_may_be_repeated(library: Library) -> None:
    library.device("small")
    library.device("tall", 480, 800)
    (image,) = library.add(1)
    answer = library.claim(at=100)
    assert library.report(answer.images[0], answer, at=101) == (2, [])
    before = library.everything()
    assert library.report(answer.images[0], answer, at=102) == (2, [])
    assert library.everything() == before
    assert library.states()[image] == "complete"


def test_rows_first_and_the_outcome_later_lose_nothing(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    claimed = answer.images[0]
    library.report(claimed, answer, at=101, outcome=False)
    assert library.states()[image] == "complete"
    library.write(results.record, [], [outcome_of(claimed)], stored_path, 102.0)
    assert library.image(image)["histogram"] == {"#112233": 40, "#445566": 2}


def test_a_report_that_owes_a_picture_fails_and_says_which(library: Library) -> None:
    library.device("small")
    library.device("tall", 480, 800)
    (image,) = library.add(1)
    answer = library.claim(at=100)
    library.report(answer.images[0], answer, at=101, skip=1)
    row = library.image(image)
    assert row["processing_status"] == "failed"
    assert row["processing_error"] == "the task reported no usable picture for small"


def test_a_device_that_came_meanwhile_is_not_owed(library: Library) -> None:
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


def test_refused_rows_say_why_and_the_others_are_stored(library: Library) -> None:
    library.device("small")
    library.device("tall", 480, 800)
    library.add(1)
    answer = library.claim(at=100)
    claimed = answer.images[0]
    good, other = rows_of(claimed, answer)
    rows = [
        good,
        msgspec.structs.replace(other, width=481),
        msgspec.structs.replace(other, file_path="bad/path"),
        msgspec.structs.replace(other, device_size="nobody"),
        msgspec.structs.replace(other, image_id=image_id(99)),
        msgspec.structs.replace(other, lease="another.token"),
    ]
    stored, errors = library.write(results.record, rows, [], stored_path, 101.0)
    assert stored == 1
    assert [error.error.split(" ")[0] for error in errors] == ["the", "filePath:", "no", "unknown", "the"]
    assert errors[0].error == "the device is 480x800, this picture is 481x800"


def test_a_picture_for_a_frame_that_was_changed_meanwhile_goes_a_day_later(library: Library) -> None:
    library.device("small")
    library.add(1)
    answer = library.claim(at=100)
    (made,) = rows_of(answer.images[0], answer)
    stale = msgspec.structs.replace(made, width=made.width + 1)
    assert library.write(results.record, [stale], [], stored_path, 101.0)[0] == 0
    name = stored_path(stale.file_path, stale.device_size, stale.image_id)
    day = 24 * 3600
    assert library.read(garbage.due, 100.0 + day, 9) == []
    assert library.read(garbage.due, 102.0 + day, 9) == [name]
    # The frame is changed back and the picture is made again under the same name: it stays.
    assert library.write(results.record, [made], [], stored_path, 103.0)[0] == 1
    assert not library.write(garbage.confirm_deletion, name, stale.image_id, 104.0 + day)


def test_images_that_lack_nothing_any_more_are_completed_and_not_handed_out(library: Library) -> None:
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=100)
    library.report(answer.images[0], answer, at=101)
    assert library.by_hand("UPDATE images SET processing_status = 'pending'") == 1
    assert library.claim(at=103).images == ()
    assert library.states()[image] == "complete"


def test_photos_without_devices_are_looked_at_once(library: Library) -> None:
    (image,) = library.add(1)
    answer = library.claim(at=100)
    assert answer.images[0].work == ()
    library.report(answer.images[0], answer, at=101)
    assert library.states()[image] == "complete"
    library.device("small", at=200)
    assert library.states()[image] == "pending"


def test_a_bucket_that_moved_is_followed(library: Library) -> None:
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
    # '%' and '_' in an address are no wildcards, and a longer name is another bucket.
    before = library.everything()
    library.write(images.move_bucket, "file:///new/50%_plac", "file:///wrong")
    library.write(images.move_bucket, "file:///new/50x_place", "file:///wrong")
    library.write(images.move_bucket, "file:///%", "file:///wrong")
    assert library.everything() == before
    library.write(images.move_bucket, "file:///new/50%_place", "file:///bucket")
    assert library.image(image)["file_path"] == f"file:///bucket/images/originals/{image}.jpg"
