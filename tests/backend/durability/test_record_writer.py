"""Permanent records: in the bucket before a change is acknowledged, and equal to what the database says."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.database import record_queries, results
from backend.durability.record_writer import RecordWriter
from contract import object_names
from contract.bucket.disk import DiskBucket
from contract.bucket.port import Bucket, BucketUnavailable
from contract.messages.records import ImageRecord
from tests.support import server
from tests.support.core_library import Library, outcome_of, rows_of, stored_path
from tests.support.small_photos import photo


def record(backend: server.BackendServer, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((backend.bucket / object_names.record(image)).read_bytes())
    return found


@pytest.mark.server
def test_record_contains_every_acknowledged_change_of_a_photo(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    image, other = backend.upload_photos(2)
    stored = record(backend, image)
    assert stored["filename"] == "photo-0.jpg"
    assert stored["filePath"] == f"images/originals/{image}.jpg"
    assert stored["fileHash"] == hashlib.sha256(photo(0)).hexdigest()
    assert stored["revision"] == 1
    claimed = {work["id"]: work for work in backend.claim("x/0")}
    message = backend.render(claimed[image])
    message["outcomes"][0]["histogram"] = {"#112233": 7}
    backend.processor.post("/api/processed-images", json=message).raise_for_status()
    stored = record(backend, image)
    (result,) = stored["results"]
    assert result["device"] == "frame"
    assert f"{backend.bucket.as_uri()}/{result['filePath']}" == message["images"][0]["filePath"]
    assert "palette" not in result  # it is the photo's own
    assert stored["palette"] == message["outcomes"][0]["colorPalette"] | {"neutral": False}
    assert stored["histogram"] == {"#112233": 7}
    assert "error" not in stored
    failure = {"error": "broken", "lease": claimed[other]["lease"]}
    backend.processor.patch(f"/api/images/{other}/failed", json=failure).raise_for_status()
    assert record(backend, other)["error"] == "broken"
    backend.admin.post("/api/admin/retry", json={"which": "failed"}).raise_for_status()
    assert "error" not in record(backend, other)


@pytest.mark.server
def test_devices_record_contains_the_hash_of_tokens_only(backend: server.BackendServer) -> None:
    token = backend.add_device("frame")["token"]
    kept = (backend.bucket / object_names.DEVICES).read_text()
    (device,) = json.loads(kept)["devices"]
    assert device["tokenHash"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in kept
    backend.add_device("frame", 120, 80)
    (device,) = json.loads((backend.bucket / object_names.DEVICES).read_bytes())["devices"]
    assert (device["width"], device["height"]) == (120, 80)
    backend.admin.delete("/api/devices/frame").raise_for_status()
    assert "devices" not in json.loads((backend.bucket / object_names.DEVICES).read_bytes())


class _Refusing(DiskBucket):
    """A bucket that rejects records while `refuses` is set."""

    refuses = False

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        if self.refuses:
            raise BucketUnavailable(name, "it does not answer")
        return super().write_if(name, data, content_type, generation)


class Place:
    """A library with records, kept by as many writers as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.library = Library(folder / "slideshow.db")
        self.bucket = _Refusing((folder / "bucket").as_uri())
        self.records = self.writer()

    def writer(self) -> RecordWriter:
        """The records as another process keeps them."""

        return RecordWriter(self.library.database, self.bucket, asyncio.to_thread)

    def record(self, image: str) -> ImageRecord:
        (read,) = self.library.read(record_queries.read_records, [image], self.bucket.url)
        assert _record(self.bucket, image) == read
        return read


def _record(bucket: Bucket, image: str) -> ImageRecord:
    return msgspec.json.decode(bucket.read(object_names.record(image)), type=ImageRecord)


@pytest.fixture
def place(tmp_path: Path) -> Any:
    made = Place(tmp_path)
    yield made
    made.library.close()


def test_save_failing_bucket_raises_and_catch_up_writes_later(place: Place) -> None:
    image, other = place.library.add(1, 2)
    place.bucket.refuses = True
    with pytest.raises(BucketUnavailable):
        place.library.run(place.records.save([image, other]))
    with pytest.raises(BucketUnavailable):
        place.library.run(place.records.save_if_stale(image))  # the same upload again promises nothing either
    place.bucket.refuses = False
    assert place.library.run(place.records.catch_up()) == 2
    assert place.record(image).filename == "photo-1.jpg"
    assert place.library.read(record_queries.images_due, 10) == {}
    assert place.library.run(place.records.catch_up()) == 0
    assert place.bucket.stat(object_names.DEVICES).size > 0


def test_save_after_a_repeated_report_writes_nothing(place: Place) -> None:
    library = place.library
    library.device("small")
    (image,) = library.add(1)
    answer = library.claim(at=1.0)
    (claimed,) = answer.images
    generations = set()
    for _ in range(2):
        library.write(results.record, rows_of(claimed, answer), [outcome_of(claimed)], stored_path, 2.0)
        library.run(place.records.save([image]))
        generations.add(place.bucket.stat(object_names.record(image)).generation)
    assert len(generations) == 1
    assert [result.device for result in place.record(image).results] == ["small"]


def test_save_by_concurrent_writers_loses_no_change(place: Place) -> None:
    (image,) = place.library.add(1)
    writers = [place.records, place.writer(), place.writer()]

    async def change(writer: RecordWriter) -> None:
        for _ in range(10):
            await place.library.database.write(record_queries.increment_revisions, [image])
            await writer.save([image])

    async def at_once() -> None:
        await asyncio.gather(*(change(writer) for writer in writers))

    place.library.run(at_once())
    assert place.record(image).revision == 31
