"""The write sequence of an upload, over a real database and a real bucket on disk."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.database import images, tombstones
from backend.durability.record_writer import RecordWriter
from backend.http.errors import ServiceUnavailable, UnprocessableEntity, UnsupportedMediaType
from backend.images.ingest import Ingest
from backend.settings import Settings
from contract import object_names
from contract.bucket.disk import DiskBucket
from contract.bucket.port import BucketUnavailable, uri_of
from contract.messages.admin import UploadedImage
from contract.messages.records import ImageRecord
from tests.support.core_library import Library
from tests.support.small_photos import photo

DATA = photo(1)
IMAGE = hashlib.sha256(DATA).hexdigest()[:32]
ORIGINAL = object_names.original(IMAGE, ".jpg")


class FailingBucket(DiskBucket):
    """A bucket that rejects every object whose name begins with `rejected`."""

    rejected = "nothing"
    types: dict[str, str]

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        self.types = {**getattr(self, "types", {}), name: content_type}
        return super().create(name, data, content_type)

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        if name.startswith(self.rejected):
            raise BucketUnavailable(name, "it does not answer")
        return super().write_if(name, data, content_type, generation)


class Environment:
    """An ingest over a library and a bucket. `steps` lists what it did, in order."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.library = Library(folder / "slideshow.db")
        self.bucket = FailingBucket((folder / "bucket").as_uri())
        self.now = 100.0
        self.steps: list[str] = []
        self.is_replaced = False
        settings = msgspec.structs.replace(Settings(), **changes)
        writer = RecordWriter(self.library.database, self.bucket, self._in_bucket, self)  # type: ignore[arg-type]
        self.ingest = Ingest(
            settings,
            self.library.database,
            self.bucket,
            self._in_bucket,
            writer,
            clock=lambda: self.now,
            wake_up=lambda: self.steps.append("wake up"),
            dispatch_if_due=self._dispatch,
        )

    async def _in_bucket(self, call: Any, *arguments: Any) -> Any:
        rows = len(await self.library.database.read(lambda connection: images.page(connection, None, None, 9)[0]))
        self.steps.append(f"{call.__name__} {arguments[0].split('/')[1]}, {rows} rows")
        return await asyncio.to_thread(call, *arguments)

    async def confirm(self) -> None:
        self.steps.append("confirm")
        if self.is_replaced:
            raise ServiceUnavailable("another backend has replaced this one")

    async def _dispatch(self, now: float) -> None:
        self.steps.append(f"dispatch at {now:g}")

    def store(self, data: bytes = DATA, filename: str = "a.jpg") -> UploadedImage:
        self.steps.clear()
        uploaded: UploadedImage = self.library.run(self.ingest.store(data, filename))
        return uploaded

    def record(self) -> ImageRecord:
        return msgspec.json.decode(self.bucket.read(object_names.record(IMAGE)), type=ImageRecord)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    made = Environment(tmp_path)
    yield made
    made.library.close()


def test_store_new_photo_writes_object_then_row_then_record_then_confirms(environment: Environment) -> None:
    uploaded = environment.store()
    assert environment.steps == ["create originals, 0 rows", "write_if records, 1 rows", "confirm"]
    assert (uploaded.id, uploaded.processing_status, uploaded.duplicate) == (IMAGE, "pending", False)
    assert environment.bucket.read(ORIGINAL) == DATA
    row = environment.library.image(IMAGE)
    assert (row["file_path"], row["ingested_at"]) == (uri_of(environment.bucket, ORIGINAL), 100.0)
    record = environment.record()
    assert (record.file_path, record.filename, record.revision) == (ORIGINAL, "a.jpg", 1)
    assert (record.width, record.height, record.byte_size) == (uploaded.width, uploaded.height, len(DATA))


def test_store_same_photo_again_is_a_duplicate_and_changes_nothing(environment: Environment) -> None:
    environment.store()
    before, generation = environment.library.everything(), environment.bucket.stat(object_names.record(IMAGE))
    environment.now = 200.0
    uploaded = environment.store(filename="b.jpg")
    assert (uploaded.duplicate, uploaded.processing_status) == (True, "pending")
    assert environment.steps == ["create originals, 1 rows", "confirm"]
    assert environment.library.everything() == before
    assert environment.bucket.stat(object_names.record(IMAGE)) == generation


def test_store_photo_whose_original_is_missing_restores_the_original(environment: Environment) -> None:
    environment.store()
    environment.bucket.delete(ORIGINAL)
    uploaded = environment.store()
    assert (uploaded.duplicate, uploaded.processing_status) == (True, "pending")
    assert environment.bucket.read(ORIGINAL) == DATA


def test_store_photo_whose_objects_are_being_deleted_is_rejected_and_wakes_up(environment: Environment) -> None:
    environment.store()
    assert environment.library.write(tombstones.add, IMAGE, 150.0)
    environment.library.write(tombstones.remove_rows, IMAGE, environment.bucket.url, 150.0)
    with pytest.raises(ServiceUnavailable, match="still being removed; try again"):
        environment.store()
    assert environment.steps == ["wake up"]
    assert environment.library.states() == {}


def test_store_photo_deleted_completely_inserts_it_again_above_its_tombstone(environment: Environment) -> None:
    environment.store()
    environment.library.write(tombstones.add, IMAGE, 150.0)
    environment.library.write(tombstones.remove_rows, IMAGE, environment.bucket.url, 150.0)
    environment.bucket.delete(ORIGINAL)
    environment.library.by_hand("DELETE FROM garbage")
    uploaded = environment.store()
    assert not uploaded.duplicate
    assert environment.record().revision > 2
    assert not environment.library.read(tombstones.is_deleted, IMAGE)


def test_store_failed_photo_with_its_original_keeps_the_failure(environment: Environment) -> None:
    environment.store()
    environment.library.by_hand("UPDATE images SET processing_status = 'failed'")
    uploaded = environment.store()
    assert (uploaded.duplicate, uploaded.processing_status) == (True, "failed")


def test_store_failed_photo_whose_original_was_missing_queues_it_again(environment: Environment) -> None:
    environment.store()
    environment.library.by_hand(
        "UPDATE images SET processing_status = 'failed', processing_error = 'gone', revision = revision + 1"
    )
    environment.bucket.delete(ORIGINAL)
    uploaded = environment.store()
    assert (uploaded.duplicate, uploaded.processing_status) == (True, "pending")
    assert environment.record().error is None
    assert environment.record().revision == environment.library.image(IMAGE)["revision"]


def test_store_without_record_is_not_acknowledged_and_completed_by_the_same_upload(environment: Environment) -> None:
    environment.bucket.rejected = object_names.RECORDS
    with pytest.raises(BucketUnavailable):
        environment.store()
    with pytest.raises(BucketUnavailable):  # the row exists, but the record is still missing
        environment.store()
    environment.bucket.rejected = "nothing"
    assert environment.store().duplicate
    assert environment.record().filename == "a.jpg"


def test_store_in_replaced_backend_is_not_acknowledged(environment: Environment) -> None:
    environment.is_replaced = True
    with pytest.raises(ServiceUnavailable, match="replaced"):
        environment.store()
    with pytest.raises(ServiceUnavailable, match="replaced"):  # a duplicate is an acknowledgement, too
        environment.store()


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (b"", UnsupportedMediaType, "the file is empty"),
        (b"no photo", UnsupportedMediaType, "this is not a JPEG"),
        (b"GIF89a" + b"\xff\xff\xff\xff" + bytes(3) + b"," + bytes(9), UnprocessableEntity, "megapixels"),
    ],
)
def test_store_invalid_file_writes_nothing(
    environment: Environment, data: bytes, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=f"^a.jpg: .*{sentence}"):
        environment.store(data)
    assert environment.steps == []
    assert environment.library.states() == {}


@pytest.mark.parametrize(("tick_seconds", "steps"), [(1.0, ["wake up"]), (0.0, ["wake up", "dispatch at 100"])])
def test_dispatch_without_timer_starts_tasks_itself(tmp_path: Path, tick_seconds: float, steps: list[str]) -> None:
    environment = Environment(tmp_path, tick_seconds=tick_seconds)
    environment.library.run(environment.ingest.dispatch())
    assert environment.steps == steps
    environment.library.close()


def test_store_keeps_the_media_type_of_the_original(environment: Environment) -> None:
    environment.store()
    assert environment.bucket.types == {ORIGINAL: "image/jpeg"}
    assert object_names.media_type("images/originals/x.heic") == "image/heic"
    assert object_names.media_type("images/originals/x.unknown") == "application/octet-stream"
