"""The steps of tasks, legacy clients and the sidecar sync in an image's life."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from backend.database import claims, results
from backend.database.claims import LEGACY_LEASE_SECONDS
from backend.database.results import MAX_CRASHES
from backend.durability.sidecar_import import import_sidecar
from contract.messages.sidecars import Sidecar, SidecarResult
from contract.recipes import recipe
from tests.support.core_library import LEASE_SECONDS, PALETTE, image_id, rows_of, stored_path
from tests.support.image_life_model import NAMES, OWNERS, PHOTOS, SIZES, LifeModel

PATHS = SimpleNamespace(variant_uri=stored_path, thumbnail_uri=lambda path, _: path)


class TaskSteps(LifeModel):
    """Claims and reports, including lost ones."""

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
            has_all = photo.rendered and not self.missing(photo)
            if has_all and after[image] == "complete":
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
        repeated = photo.state == "complete" and photo.lease == claimed.lease
        rows = rows_of(claimed, answer)[skip:]
        if not (held or repeated):
            before = self.rows
            stored, errors = self.library.report(claimed, answer, at=self.now, skip=skip, outcome=whole)
            assert (stored, len(errors)) == (0, len(rows))
            assert self.library.everything() == before, "a lost lease changed something"
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
    @rule(number=st.integers(0, 3), crashed=st.booleans())
    def task_reports_a_failure(self, number: int, crashed: bool) -> None:
        claimed, _ = self.pick(number)
        photo = self.photos[claimed.id]
        before = self.rows
        held = self.holds(claimed)
        repeated = photo.state == "failed" and photo.lease == claimed.lease
        counted = self.library.write(results.fail, claimed.id, "it broke", claimed.lease, crashed=crashed)
        assert counted == (held or repeated)
        if not held:
            assert self.library.everything() == before, "a lost lease changed something"
            return
        photo.begun = False
        photo.strikes += crashed
        photo.suspect = crashed
        photo.state = "pending" if crashed and photo.strikes < MAX_CRASHES else "failed"

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
        assert self.library.write(results.fail, image, "it broke", None, crashed=False) == open_lease
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
        verdict, reason, new = self.library.write(import_sidecar, sidecar, PATHS, self.now)
        if photo.state == "complete":
            assert verdict == "archivable"
        elif photo.state == "failed":
            assert verdict == "rejected"
        elif photo.state == "gone":
            assert verdict == "deleted"
        elif (photo.state == "processing" and photo.until >= self.now) or photo.focus is not None:
            assert verdict == "waits"
        elif name in self.screens and self.screens[name].size == size:
            assert (verdict, new) == ("archivable", True), reason
            photo.has(name, size)
            if not self.missing(photo):
                self.complete(photo)
            return
        else:
            assert (verdict, new) == ("rejected", False), reason
            if not self.missing(photo):  # put back by hand although nothing was lacking
                self.complete(photo)
            return
        assert self.library.everything() == before
