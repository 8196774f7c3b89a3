"""An image's life against a small model: every way it can go, in any order.

The model holds what the contract says of states, leases, attempts and strikes. After each step
the database must agree with it, and in the end every photo that has not failed can be completed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from core_library import LEASE_SECONDS, PALETTE, Library, image_id, rows_of, stored_path
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.database import claims, devices, images, results, tombstones
from backend.database.claims import LEGACY_LEASE_SECONDS
from backend.database.focus import set_focus
from backend.database.results import MAX_STRIKES
from backend.sidecar_import import import_sidecar
from contract.admin_messages import RetryRequest
from contract.messages import ClaimAnswer, ClaimedImage
from contract.recipes import recipe
from contract.sidecars import Sidecar, SidecarResult

OWNERS = ["e/0", "e/1", "f/0"]
SIZES = [(800, 480), (480, 800), (640, 480)]
NAMES = ["A", "B", "C"]
PHOTOS = 3
# Every step commits, and a commit waits for the disk; what a crash leaves is not what is tested here.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Photo:
    """What the model knows of one image; `rows` maps a device's key to the size of its current row.

    Those `again` are to be replaced although they fit. One that was deleted is `gone`.
    """

    state: str = "pending"
    lease: str | None = None
    owner: str | None = None
    attempt: int = 0
    until: float = 0.0
    claimed_at: float = 0.0
    attempts: int = 0
    begun: bool = False
    suspect: bool = False
    strikes: int = 0
    rendered: bool = False
    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    focus: tuple[float, float] | None = None

    def has(self, key: str, size: tuple[int, int]) -> None:
        """Its picture for a device is this one now."""
        self.rows[key] = size
        self.again.discard(key)


@dataclass
class Screen:
    """A device of the model."""

    size: tuple[int, int]
    changed_at: float


class ImageLife(RuleBasedStateMachine):
    """The steps are those of tasks, legacy clients, people and the clock."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        file = Path(self.folder.name) / "slideshow.db"
        shutil.copy(self.template, file)
        self.library = Library(file, migrate=False)
        self.now = 1000.0
        self.photos: dict[str, Photo] = {}
        self.screens: dict[str, Screen] = {}
        self.given: list[tuple[ClaimedImage, ClaimAnswer]] = []
        self.rows: list[dict[str, Any]] = []

    def teardown(self) -> None:
        try:
            if self.photos:
                self._no_image_is_stuck()
        finally:
            self.library.close()
            self.folder.cleanup()

    # --- the model's own words ------------------------------------------------------------------

    def missing(self, photo: Photo) -> list[str]:
        return [
            key
            for key, screen in sorted(self.screens.items())
            if photo.rows.get(key) != screen.size or key in photo.again
        ]

    def holds(self, claimed: ClaimedImage) -> bool:
        photo = self.photos[claimed.id]
        return photo.state == "processing" and photo.lease == claimed.lease

    def complete(self, photo: Photo) -> None:
        photo.state, photo.rendered, photo.begun, photo.suspect, photo.strikes = "complete", True, False, False, 0

    def settle(self) -> None:
        for photo in self.photos.values():
            if photo.state == "complete" and self.missing(photo):
                photo.state = "pending"
            elif photo.state == "pending" and photo.rendered and not self.missing(photo):
                photo.state, photo.begun, photo.suspect = "complete", False, False

    def pick(self, number: int) -> tuple[ClaimedImage, ClaimAnswer]:
        return self.given[-1 - number % min(len(self.given), 4)]

    # --- steps -----------------------------------------------------------------------------------

    @initialize()
    def photos_arrive(self) -> None:
        self.library.device("A", *SIZES[0], at=self.now)
        self.screens["A"] = Screen(SIZES[0], self.now)
        for image in self.library.add(*range(PHOTOS)):
            self.photos[image] = Photo()
        self.rows = self.library.everything()

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

    @rule(owner=st.sampled_from(OWNERS), attempt=st.integers(0, 2), limit=st.integers(1, PHOTOS))
    def task_claims(self, owner: str, attempt: int, limit: int) -> None:
        self.now += 1
        free = {
            image
            for image, photo in self.photos.items()
            if photo.state == "pending"
            or (
                photo.state == "processing"
                and (photo.until < self.now or (photo.owner == owner and photo.attempt < attempt))
            )
        }
        before = self.library.states()
        answer = self.library.claim(owner, attempt=attempt, limit=limit, at=self.now)
        after = self.library.states()
        done = set()
        for image in free:
            photo = self.photos[image]
            lacks_nothing = photo.rendered and not self.missing(photo)
            if lacks_nothing and after[image] == "complete":
                done.add(image)
                photo.state, photo.begun, photo.suspect = "complete", False, False
        got = {claimed.id for claimed in answer.images}
        assert got <= free
        assert len(got) + len(done) == min(limit, len(free))
        assert all(after[image] == before[image] for image in after if image not in got | done)
        for claimed in answer.images:
            photo = self.photos[claimed.id]
            photo.suspect = photo.suspect or photo.begun
            photo.state, photo.lease, photo.owner, photo.attempt = "processing", claimed.lease, owner, attempt
            photo.until, photo.claimed_at, photo.begun = self.now + LEASE_SECONDS, self.now, False
            assert claimed.suspect == photo.suspect
            assert [item.device for item in claimed.work] == self.missing(photo)
            self.given.append((claimed, answer))

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 3))
    def decoding_begins(self, number: int) -> None:
        claimed, _ = self.pick(number)
        photo = self.photos[claimed.id]
        holds = self.holds(claimed)
        found = self.library.write(claims.start_attempt, claimed.id, claimed.lease, self.now)
        assert (found is not None) == holds
        if holds:
            photo.attempts += not photo.begun
            photo.begun = True
            assert found == photo.attempts

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 3), skip=st.sampled_from([0, 0, 0, 1]), whole=st.sampled_from([True, True, False]))
    def task_reports(self, number: int, skip: int, whole: bool) -> None:
        self.now += 1
        claimed, answer = self.pick(number)
        photo = self.photos[claimed.id]
        held = self.holds(claimed)
        told_before = photo.state == "complete" and photo.lease == claimed.lease
        rows = rows_of(claimed, answer)[skip:]
        if not (held or told_before):
            before = self.rows
            stored, errors = self.library.report(claimed, answer, at=self.now, skip=skip, outcome=whole)
            assert (stored, len(errors)) == (0, len(rows))
            assert self.library.everything() == before, "a lost token changed something"
            return
        fitting = [
            row
            for row in rows
            if row.device_size in self.screens and self.screens[row.device_size].size == (row.width, row.height)
        ]
        stored, errors = self.library.report(claimed, answer, at=self.now, skip=skip, outcome=whole)
        assert (stored, len(errors)) == (len(fitting), len(rows) - len(fitting))
        for row in fitting:
            photo.has(row.device_size, (row.width, row.height))
        if not (fitting or whole):
            return
        missing = self.missing(photo)
        if not missing:
            self.complete(photo)
        elif whole:
            owed = [key for key in missing if self.screens[key].changed_at < photo.claimed_at]
            photo.state, photo.rendered, photo.begun = ("failed" if owed else "pending"), True, False

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 3), strike=st.booleans())
    def task_reports_a_failure(self, number: int, strike: bool) -> None:
        claimed, _ = self.pick(number)
        photo = self.photos[claimed.id]
        before = self.rows
        held = self.holds(claimed)
        told_before = photo.state == "failed" and photo.lease == claimed.lease
        counted = self.library.write(results.fail, claimed.id, "it broke", claimed.lease, strike=strike)
        assert counted == (held or told_before)
        if not held:
            assert self.library.everything() == before, "a lost token changed something"
            return
        photo.begun = False
        photo.strikes += strike
        photo.suspect = strike
        photo.state = "pending" if strike and photo.strikes < MAX_STRIKES else "failed"

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 3))
    def task_renews(self, number: int) -> None:
        claimed, _ = self.pick(number)
        held = self.library.write(claims.renew, [claimed.lease], self.now, LEASE_SECONDS)
        assert held == ([claimed.lease] if self.holds(claimed) else [])
        if held:
            self.photos[claimed.id].until = self.now + LEASE_SECONDS

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 3))
    def task_releases(self, number: int) -> None:
        claimed, _ = self.pick(number)
        released = self.library.write(claims.release, [claimed.lease])
        assert released == ([claimed.lease] if self.holds(claimed) else [])
        if released:
            self.photos[claimed.id].state, self.photos[claimed.id].begun = "pending", False

    @rule(owner=st.sampled_from(OWNERS))
    def owner_dies(self, owner: str) -> None:
        theirs = [photo for photo in self.photos.values() if photo.state == "processing" and photo.owner == owner]
        assert self.library.write(claims.free_owners, [owner]) == len(theirs)
        for photo in theirs:
            photo.state = "pending"

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
        assert self.library.write(tombstones.bury, image, self.now) == (photo.state != "gone")
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

    @rule(number=st.integers(0, PHOTOS - 1))
    def legacy_client_begins(self, number: int) -> None:
        image = image_id(number)
        photo = self.photos[image]
        may = photo.state == "pending" or (photo.state == "processing" and photo.owner is None)
        found = self.library.write(claims.start_attempt, image, None, self.now)
        assert (found is not None) == may
        if may:
            photo.attempts += not photo.begun
            photo.state, photo.owner, photo.lease, photo.begun = "processing", None, None, True
            photo.until, photo.claimed_at = self.now + LEGACY_LEASE_SECONDS, self.now
            assert found == photo.attempts

    @rule(number=st.integers(0, PHOTOS - 1))
    def legacy_client_fails(self, number: int) -> None:
        image = image_id(number)
        photo = self.photos[image]
        open_lease = photo.state == "processing" and photo.owner is None
        assert self.library.write(results.fail, image, "it broke", None, strike=False) == open_lease
        if open_lease:
            photo.state, photo.begun, photo.suspect = "failed", False, False

    @precondition(lambda self: self.screens)
    @rule(number=st.integers(0, PHOTOS - 1), name=st.sampled_from(NAMES), size=st.sampled_from(SIZES))
    def sidecar_is_synced(self, number: int, name: str, size: tuple[int, int]) -> None:
        self.now += 1
        image = image_id(number)
        photo = self.photos[image]
        sidecar = Sidecar(
            image_id=image,
            processed_at="2025-01-31T12:00:00Z",
            results=(
                SidecarResult(
                    device_size=name,
                    width=size[0],
                    height=size[1],
                    file_path=f"processed/{name}/{image}-{recipe(*size)}.jpg",
                    colors=PALETTE.all_colors,
                    primary=PALETTE.primary,
                    secondary=PALETTE.secondary,
                    tertiary=PALETTE.tertiary,
                    recipe=recipe(*size),
                ),
            ),
        )
        before = self.rows
        verdict, reason, new = self.library.write(import_sidecar, sidecar, stored_path, str, self.now)
        if photo.state == "complete":
            assert verdict == "archivable"
        elif photo.state == "failed":
            assert verdict == "refused"
        elif photo.state == "gone":
            assert verdict == "dead"
        elif (photo.state == "processing" and photo.until >= self.now) or photo.focus is not None:
            assert verdict == "waits"
        elif name in self.screens and self.screens[name].size == size:
            assert (verdict, new) == ("archivable", True), reason
            photo.has(name, size)
            if not self.missing(photo):
                self.complete(photo)
            return
        else:
            assert (verdict, new) == ("refused", False), reason
            if not self.missing(photo):  # put back by hand although nothing was lacking
                self.complete(photo)
            return
        assert self.library.everything() == before

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def database_and_model_agree(self) -> None:
        self.rows = self.library.everything()
        living = {image for image, photo in self.photos.items() if photo.state != "gone"}
        assert {row["id"] for row in self.rows[: len(living)]} == living
        for row in self.rows[: len(living)]:
            photo = self.photos[row["id"]]
            assert row["processing_status"] == photo.state
            assert row["attempts"] == photo.attempts
            assert row["strikes"] == photo.strikes
            assert bool(row["suspect"]) == photo.suspect
            assert bool(row["attempt_open"]) == photo.begun
            assert (row["rendered_at"] is not None) == photo.rendered
            assert (row["processing_error"] is not None) == (photo.state == "failed")
        # One current row for each image and device, and it is the one that was reported last.
        rows = self.rows[len(living) :]
        found = {(row["image_id"], row["device_size"]): (row["width"], row["height"]) for row in rows}
        assert len(found) == len(rows)
        wanted = {(i, key): size for i, photo in self.photos.items() for key, size in photo.rows.items()}
        assert found == wanted
        for photo in self.photos.values():
            assert photo.state != "complete" or not self.missing(photo), "complete, and something is lacking"

    def _no_image_is_stuck(self) -> None:
        self.library.write(claims.free_expired, self.now, LEASE_SECONDS)  # as every tick does
        self.now += 2 * LEGACY_LEASE_SECONDS + 1
        answer = self.library.claim("last/0", at=self.now)
        for claimed in answer.images:
            stored, errors = self.library.report(claimed, answer, at=self.now + 1)
            assert (stored, errors) == (len(claimed.work), [])
        for image, state in self.library.states().items():
            assert state == ("failed" if self.photos[image].state == "failed" else "complete")


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database with its tables, copied for each example because making them takes longer than a life."""
    file = tmp_path_factory.mktemp("life") / "slideshow.db"
    Library(file).close()
    ImageLife.template = file


SHORT = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestImageLife = ImageLife.TestCase
TestImageLife.settings = SHORT


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_longer_lives() -> None:
    run_state_machine_as_test(ImageLife, settings=settings(SHORT, max_examples=300, stateful_step_count=60))
