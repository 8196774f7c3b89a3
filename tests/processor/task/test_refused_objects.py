"""A bucket that refuses one object: its photo fails, the others do not, and the task goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract import object_names
from contract.bucket.port import BucketDenied, BucketError, ObjectNotFound, ObjectTooLarge
from contract.recipes import recipe
from processor.task.image_job import Outcome
from tests.support.claims_server import ClaimsServer
from tests.support.task_world import DEVICES, World, jpeg

pytestmark = pytest.mark.server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ClaimsServer() as server:
        yield World(server, tmp_path / "bucket")


def test_an_object_that_cannot_be_written_is_its_own_photo_s_failure(world: World, tmp_path: Path) -> None:
    photos = world.add_photos(3)
    wide = DEVICES[0]
    taken = object_names.variant("wide one", photos[1].id, recipe(wide.width, wide.height))
    (tmp_path / "bucket" / taken).mkdir(parents=True)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 2, Outcome.FAILED: 1}
    assert photos[1].state == "failed"
    assert photos[1].strikes == 0
    assert photos[1].error.startswith("photo 1.jpg cannot be worked on: ")
    assert taken in photos[1].error


def test_a_bucket_that_refuses_one_read_fails_that_photo_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = world.add_photos(3)
    refusals: tuple[Callable[[str], BucketError], ...] = (
        ObjectNotFound,
        lambda name: ObjectTooLarge(name, 7),
        lambda name: BucketDenied(name, "a permission is missing"),
    )
    world.add(jpeg(50), "good.jpg")

    def refusing(name: str) -> None:
        for photo, refusal in zip(photos, refusals, strict=True):
            if photo.id in name:
                raise refusal(name)

    world.before_reads(monkeypatch, refusing)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1, Outcome.FAILED: 3}
    assert "no such object" in photos[0].error
    assert "larger than the 7 bytes" in photos[1].error
    assert "a permission is missing" in photos[2].error
    assert all(photo.id in photo.error for photo in photos)
