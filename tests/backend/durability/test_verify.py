"""`slideshow verify`: each difference between bucket and database is named, and repaired on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from backend.database.tables import images
from backend.durability.verify.compare import Difference
from backend.durability.verify.content import MAX_UNREADABLE, check_content
from contract import object_names
from contract.bucket.disk import DiskBucket
from contract.bucket.port import BucketUnavailable, uri_of
from tests.backend.durability.test_rebuild import slideshow
from tests.support import server
from tests.support.core_library import Library
from tests.support.library_state import fill
from tests.support.small_photos import jpeg, photo


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> server.BackendServer:
    """A stopped backend's data: photos in every state, and nothing wrong."""
    with server.running(tmp_path_factory.mktemp("verify") / "data") as backend:
        fill(backend)
        running = slideshow(backend.data, "verify", "--deep")  # a running backend is no hindrance
        assert (running.returncode, running.stdout) == (0, "0 differences\n"), running.stdout + running.stderr
        refused = slideshow(backend.data, "verify", "--repair")
        assert refused.returncode == 1
        assert "stop it first" in refused.stderr
    return backend


def verify(backend: server.BackendServer, *options: str) -> list[tuple[str, str]]:
    """The differences, as (kind, subject); the exit code must fit."""
    ran = slideshow(backend.data, "verify", "--json", *options)
    assert ran.stderr == ""
    printed = json.loads(ran.stdout)
    assert ran.returncode == (1 if printed.get("left", printed["differences"]) else 0)
    return [(difference["kind"], difference["subject"]) for difference in printed["differences"]]


def break_everything(backend: server.BackendServer) -> list[tuple[str, str]]:
    """One fault of every kind, each on a photo of its own as far as there are enough; what verify has to say."""
    complete = [row[0] for row in backend.sql("SELECT id FROM images WHERE processing_status = 'complete' ORDER BY id")]
    (failed,) = backend.sql("SELECT id FROM images WHERE processing_status = 'failed'")[0]
    (pending,) = backend.sql("SELECT id FROM images WHERE processing_status = 'pending'")[0]
    (dead,) = backend.sql("SELECT image_id FROM tombstones")[0]
    one, two, three = complete
    wanted: list[tuple[str, str]] = []

    def wrong(kind: str, subject: str, act: Callable[[Path], object]) -> None:
        act(backend.bucket / subject)
        wanted.append((kind, subject))

    def put(data: bytes) -> Callable[[Path], object]:
        return lambda path: backend.store(path.relative_to(backend.bucket).as_posix(), data)

    (kitchen,) = (path.name for path in backend.bucket.glob(f"processed/kitchen/{one}*"))
    (hall,) = (path.name for path in backend.bucket.glob(f"processed/hall/{two}*"))
    wrong("original missing", f"images/originals/{pending}.jpg", Path.unlink)
    wrong("original of another size", f"images/originals/{three}.jpg", put(photo(4) + b"more"))
    wrong("original unknown", f"images/originals/{server_id(photo(90))}.jpg", put(photo(90)))
    wrong("still there though deleted", f"images/originals/{dead}.jpg", put(b"x"))
    wrong("picture missing", f"processed/kitchen/{kitchen}", Path.unlink)
    wrong("picture unknown", f"processed/kitchen/{two}-0123456789.jpg", put(b"x"))
    wrong("picture of another size", f"processed/hall/{hall}", put(jpeg(7, 7)))
    wrong("sidecar unknown", object_names.sidecar("ab" * 16), put(b"{}"))
    wrong("record missing", object_names.record(two), Path.unlink)
    unknown = json.dumps({"imageId": "cd" * 16, "revision": 3, "deletedAt": 5}).encode()
    wrong("record unknown", object_names.record("cd" * 16), put(unknown))
    backend.sql("UPDATE images SET processing_status = 'pending', processing_error = NULL WHERE id = ?", failed)
    wanted.append(("record differs", object_names.record(failed)))
    wrong("record unreadable", object_names.record(one), put(b"{"))
    backend.sql("UPDATE devices SET name = 'other' WHERE id = 'hall'")
    wanted.append(("devices differ", object_names.DEVICES))
    return sorted(wanted)


def server_id(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()[:32]


@pytest.mark.server
def test_verify_names_every_difference_and_repairs_it(filled: server.BackendServer) -> None:
    wanted = break_everything(filled)
    found = verify(filled, "--deep")
    changed = [each for each in wanted if each[0] == "original of another size"]
    deep = [("original with other content", subject) for _, subject in changed]
    assert sorted(found) == sorted(wanted + deep)
    repaired = slideshow(filled.data, "verify", "--repair", "--deep")
    assert repaired.returncode == 1, repaired.stdout + repaired.stderr
    lost = sorted(subject for kind, subject in found if kind in ("original missing", "original of another size"))
    assert repaired.stdout.count("(fixed)") == len(found) - 3
    assert repaired.stdout.count("(not fixed)") == 3
    assert sorted(verify(filled, "--deep")) == [("original missing", subject) for subject in lost]
    with server.running(filled.data) as backend:
        backend.processor.post("/internal/tick").raise_for_status()
        # Lost pictures are queued, lost originals are failures with a reason, the unknown photo is taken in.
        states = backend.admin.get("/api/admin/status").json()["images"]
        assert states == {"pending": 4, "processing": 0, "complete": 0, "failed": 2}
        assert len(backend.claim("y/0")) == 4
        failures = [row[0] for row in backend.sql("SELECT processing_error FROM images WHERE processing_error <> ''")]
        assert len(failures) == 2
        assert all("upload the photo again" in reason for reason in failures)
        for number in range(1, 6):  # the lost ones among them
            backend.upload(photo(number))
        assert verify(backend, "--deep") == []


class PartlyUnreadable(DiskBucket):
    """A bucket that cannot read the objects of `unreadable`."""

    unreadable: tuple[str, ...] = ()

    def read(self, name: str, limit: int | None = None) -> bytes:
        if name in self.unreadable:
            raise BucketUnavailable(name, "the object arrived damaged 3 times")
        return super().read(name, limit)


def test_deep_check_names_unreadable_objects_and_goes_on(tmp_path: Path) -> None:
    library = Library(tmp_path / "slideshow.db")
    bucket = PartlyUnreadable((tmp_path / "bucket").as_uri())

    def check() -> list[Difference]:
        found: list[Difference] = library.run(check_content(library.database, bucket, lambda _: None))
        return sorted(found)

    names = []
    for image in library.add(*range(MAX_UNREADABLE + 1)):
        library.write(
            lambda connection, image=image: connection.execute(
                update(images).where(images.c.id == image).values(file_path=uri_of(bucket, f"images/originals/{image}"))
            )
        )
        names.append(f"images/originals/{image}")
        bucket.create(names[-1], b"other bytes than the upload", "image/jpeg")
    bucket.unreadable = tuple(names[:1])
    found = check()
    assert [(each.kind, each.subject) for each in found if each.kind == "object unreadable"] == [
        ("object unreadable", names[0])
    ]
    assert found[0].detail == "the object arrived damaged 3 times"
    assert sum(each.kind == "original with other content" for each in found) == MAX_UNREADABLE, "the others are checked"
    bucket.unreadable = tuple(names)
    with pytest.raises(BucketUnavailable):
        check()
    library.close()


def test_verify_without_database_fails(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ran = slideshow(tmp_path / "data", "verify")
    assert ran.returncode == 1
    assert "slideshow rebuild" in ran.stderr
