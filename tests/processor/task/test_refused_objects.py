"""A bucket that rejects one object fails its photo only, and the task continues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contract import object_names
from contract.bucket.port import BucketDenied, BucketError, ObjectNotFound, ObjectTooLarge
from contract.recipes import recipe
from processor.task.image_job import Outcome
from tests.support.task_world import DEVICES, World, jpeg

pytestmark = pytest.mark.server


def test_job_unwritable_object_fails_only_its_photo(world: World, tmp_path: Path) -> None:
    photos = world.add_photos(3)
    wide = DEVICES[0]
    taken = object_names.variant("wide one", photos[1].id, recipe(wide.width, wide.height))
    (tmp_path / "bucket" / taken).mkdir(parents=True)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 2, Outcome.FAILED: 1}
    assert photos[1].state == "failed"
    assert photos[1].strikes == 0
    assert photos[1].error.startswith("photo 1.jpg cannot be processed: ")
    assert taken in photos[1].error


def test_job_unreadable_original_fails_only_its_photo(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = world.add_photos(3)
    errors: tuple[Callable[[str], BucketError], ...] = (
        ObjectNotFound,
        lambda name: ObjectTooLarge(name, 7),
        lambda name: BucketDenied(name, "a permission is missing"),
    )
    world.add(jpeg(50), "good.jpg")

    def rejecting(name: str) -> None:
        for photo, error in zip(photos, errors, strict=True):
            if photo.id in name:
                raise error(name)

    world.before_reads(monkeypatch, rejecting)
    code, task = world.run()
    assert code == 0
    assert task.counts == {Outcome.COMPLETE: 1, Outcome.FAILED: 3}
    assert "no such object" in photos[0].error
    assert "larger than the 7 bytes" in photos[1].error
    assert "a permission is missing" in photos[2].error
    assert all(photo.id in photo.error for photo in photos)
