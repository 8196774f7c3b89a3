"""Random sequences of steps in the life of images, compared with a small model.

The model implements the contract's rules for states, leases, attempts and crashes. After each step the database
must agree with it. In the end, every photo that has not failed can be completed.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
    run_state_machine_as_test,
)

from backend.database import claims, devices, images, tombstones
from backend.database.claims import LEGACY_LEASE_SECONDS
from backend.database.images import set_focus
from contract.messages.admin import RetryRequest
from tests.support.core_library import LEASE_SECONDS, Library, image_id
from tests.support.image_life_model import NAMES, PHOTOS, SIZES, Photo, Screen
from tests.support.image_life_tasks import TaskSteps


class ImageLife(TaskSteps):
    """Steps of people and of the clock, in addition to those of tasks."""

    @rule(name=st.sampled_from(NAMES), size=st.sampled_from(SIZES))
    def device_is_saved(self, name: str, size: tuple[int, int]) -> None:
        self.now += 1
        assert self.library.device(name, *size, at=self.now) == (name not in self.screens)
        before = self.screens.get(name)
        if before is None or before.size != size:
            self.screens[name] = Screen(size, self.now)
            self.settle()

    @rule(name=st.sampled_from(NAMES))
    def device_is_removed(self, name: str) -> None:
        self.now += 1
        assert self.library.write(devices.remove, name, self.now) == (name in self.screens)
        if self.screens.pop(name, None):
            for photo in self.photos.values():
                photo.rows.pop(name, None)
                photo.again.discard(name)
            self.settle()

    @rule(seconds=st.sampled_from([1.0, LEASE_SECONDS / 2, LEASE_SECONDS + 1, LEGACY_LEASE_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        ended = [photo for photo in self.photos.values() if photo.state == "processing" and photo.until < self.now]
        assert self.library.write(claims.free_expired, self.now, LEASE_SECONDS) == len(ended)
        for photo in ended:
            photo.state = "pending"

    @rule(seconds=st.sampled_from([5.0, 3600.0]))
    def clock_is_set_back(self, seconds: float) -> None:
        self.now -= seconds
        assert self.library.write(claims.free_expired, self.now, LEASE_SECONDS) == 0
        for photo in self.photos.values():
            longest = LEGACY_LEASE_SECONDS if photo.owner is None else LEASE_SECONDS
            if photo.state == "processing" and photo.until > self.now + 2 * longest:
                photo.until = self.now + longest

    @rule(number=st.integers(0, PHOTOS - 1))
    def photo_is_deleted(self, number: int) -> None:
        image = image_id(number)
        photo = self.photos[image]
        assert self.library.write(tombstones.add, image, self.now) == (photo.state != "gone")
        self.library.write(tombstones.remove_rows, image, "file:///bucket", self.now)
        self.photos[image] = Photo(state="gone")

    @rule(number=st.integers(0, PHOTOS - 1))
    def photo_is_uploaded_again(self, number: int) -> None:
        image = image_id(number)
        if self.photos[image].state == "gone":
            self.library.add(number, at=self.now)
            self.photos[image] = Photo()

    @rule(number=st.integers(0, PHOTOS - 1), focus=st.sampled_from([None, (0.25, 0.75), (0.5, 0.5)]))
    def focus_is_chosen(self, number: int, focus: tuple[float, float] | None) -> None:
        self.now += 1
        photo = self.photos[image_id(number)]
        changed = self.library.write(set_focus, image_id(number), focus, self.now)
        assert changed == (None if photo.state == "gone" else focus != photo.focus)
        if changed:
            photo.focus, photo.again, photo.lease, photo.begun = focus, set(photo.rows), None, False
            photo.state = "failed" if photo.state == "failed" else "pending"

    @rule()
    def person_repairs_by_hand(self) -> None:
        self.library.by_hand("UPDATE images SET processing_status='pending' WHERE processing_status='processing'")
        for photo in self.photos.values():
            if photo.state == "processing":
                photo.state = "pending"

    @rule(which=st.sampled_from(["failed", "stuck", "named"]), number=st.integers(0, PHOTOS - 1))
    def person_retries(self, which: str, number: int) -> None:
        self.now += 1
        ids = (image_id(number),) if which == "named" else ()
        wanted = {"failed": ["failed"], "stuck": ["processing"], "named": ["failed", "processing", "complete"]}[which]
        chosen = [
            photo
            for image, photo in self.photos.items()
            if photo.state in wanted and (which != "named" or image in ids)
        ]
        request = RetryRequest(which=which, ids=ids)  # type: ignore[arg-type]
        assert len(self.library.write(images.retry, request, self.now)) == len(chosen)
        for photo in chosen:
            if which == "named" and photo.state == "complete":
                photo.again = set(photo.rows)
            photo.state, photo.lease, photo.strikes = "pending", None, 0
            photo.suspect = photo.begun = False


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Create a database that is copied for each example, because migrating takes longer than an example."""
    file = tmp_path_factory.mktemp("life") / "slideshow.db"
    Library(file).close()
    ImageLife.template = file


SHORT = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestImageLife = pytest.mark.slow(ImageLife.TestCase)
TestImageLife.settings = SHORT


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_image_life_with_many_long_sequences() -> None:
    run_state_machine_as_test(ImageLife, settings=settings(SHORT, max_examples=300, stateful_step_count=60))
