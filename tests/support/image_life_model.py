"""A small model of an image's states, which must agree with the database after each step."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
)

from backend.database import claims
from backend.database.claims import LEGACY_LEASE_SECONDS
from contract.messages.processing import ClaimAnswer, ClaimedImage
from tests.support.core_library import LEASE_SECONDS, Library

OWNERS = ["e/0", "e/1", "f/0"]
SIZES = [(800, 480), (480, 800), (640, 480)]
NAMES = ["A", "B", "C"]
PHOTOS = 3
# Every step commits, and a commit waits for the disk. Crashes are not tested here.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Photo:
    """The state of one image in the model; `rows` maps a device's key to the size of its current row.

    `rows` maps a device key to the size of its current row. Keys in `again` are to be rendered again although
    their size is right. The state of a deleted image is `gone`.
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
        """Set the current variant of a device."""
        self.rows[key] = size
        self.again.discard(key)


@dataclass
class Screen:
    """A device of the model."""

    size: tuple[int, int]
    changed_at: float


class LifeModel(RuleBasedStateMachine):
    """Photos and devices of the model, and the library that they are compared with."""

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

    @initialize()
    def photos_arrive(self) -> None:
        self.library.device("A", *SIZES[0], at=self.now)
        self.screens["A"] = Screen(SIZES[0], self.now)
        for image in self.library.add(*range(PHOTOS)):
            self.photos[image] = Photo()
        self.rows = self.library.everything()

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
        # There is one current row per image and device: the one that was reported last.
        rows = self.rows[len(living) :]
        found = {(row["image_id"], row["device_size"]): (row["width"], row["height"]) for row in rows}
        assert len(found) == len(rows)
        wanted = {(i, key): size for i, photo in self.photos.items() for key, size in photo.rows.items()}
        assert found == wanted
        for photo in self.photos.values():
            assert photo.state != "complete" or not self.missing(photo), "a complete image has a missing variant"

    def _no_image_is_stuck(self) -> None:
        self.library.write(claims.free_expired, self.now, LEASE_SECONDS)  # as every periodic run does
        self.now += 2 * LEGACY_LEASE_SECONDS + 1
        answer = self.library.claim("last/0", at=self.now)
        for claimed in answer.images:
            stored, errors = self.library.report(claimed, answer, at=self.now + 1)
            assert (stored, errors) == (len(claimed.work), [])
        for image, state in self.library.states().items():
            assert state == ("failed" if self.photos[image].state == "failed" else "complete")
