"""Encoding of sidecars and messages, a claim in SQLite, writing an object to a bucket on disk."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backend.database import Database, claims, devices, images
from contract.bucket.disk import DiskBucket
from contract.messages.devices import DeviceBody
from contract.messages.processing import ClaimedImage, ClaimRequest, ProcessedImages, StageSeconds
from contract.messages.sidecars import Sidecar
from processor.task.results import Stored, Timings, result_of, sidecar_of

if TYPE_CHECKING:
    from bench.micro.conftest import Benchmark
    from processor.render.pipeline import RenderedImage

NOW = 1_700_000_000.0
LEASE_SECONDS = 60.0
WAITING = 50
TIMINGS = Timings(
    seconds=0.1, stages=StageSeconds(waiting=0.01, fetching=0.02, decoding=0.03, pictures=0.03, storing=0.01)
)
IMAGE = hashlib.sha256(b"a photo").hexdigest()[:32]


def stored(rendered: RenderedImage) -> Stored:
    return Stored(
        variants={
            str(variant.device.key): f"gs://bucket/processed/{variant.device.key}/{IMAGE}-0123456789.jpg"
            for variant in rendered.variants
        },
        thumbnail=f"gs://bucket/images/thumbnails/{IMAGE}-0123456789.jpg",
    )


def test_sidecar_encoding(benchmark: Benchmark, rendered: RenderedImage) -> None:
    sidecar = sidecar_of(IMAGE, rendered, stored(rendered), "2026-01-01T00:00:00Z", owner="e/0", timings=TIMINGS)
    assert msgspec.json.decode(benchmark(msgspec.json.encode, sidecar), type=Sidecar) == sidecar


def test_message_encoding(benchmark: Benchmark, rendered: RenderedImage) -> None:
    """Encode and decode the results of one image, as task and backend do."""
    claimed = ClaimedImage(
        id=IMAGE,
        file_path=f"gs://bucket/images/originals/{IMAGE}.jpg",
        width=rendered.width,
        height=rendered.height,
        orientation=rendered.orientation,
        lease="0" * 32,
        lease_until=NOW,
    )
    rows = result_of(claimed, rendered, stored(rendered), processed_at=NOW, timings=TIMINGS).rows
    message = ProcessedImages(images=rows)

    def round_trip() -> ProcessedImages:
        return msgspec.json.decode(msgspec.json.encode(message), type=ProcessedImages)

    assert benchmark(round_trip) == message


def test_claim_in_sqlite(benchmark: Benchmark, tmp_path: Path) -> None:
    """Claim and release an image, each committed to the file."""
    database = Database(f"sqlite:///{tmp_path / 'library.db'}")
    loop = asyncio.new_event_loop()
    numbers = itertools.count()

    def claim_and_release() -> tuple[ClaimedImage, ...]:
        request = ClaimRequest(owner="execution/0", limit=1)
        claim_id = f"{next(numbers):032x}"
        answer = loop.run_until_complete(database.write(claims.claim, request, claim_id, NOW, LEASE_SECONDS))
        loop.run_until_complete(database.write(claims.release, [image.lease for image in answer.images]))
        return answer.images

    try:
        database.migrate()
        screen = DeviceBody(name="kitchen", width=800, height=480)
        loop.run_until_complete(database.write(devices.save, "kitchen", screen, "hash", NOW))
        for number in range(WAITING):
            loop.run_until_complete(database.write(images.add, photo_row(number)))
        (claimed,) = benchmark(claim_and_release)
        assert [item.device for item in claimed.work] == ["kitchen"]
    finally:
        loop.close()
        database.close()


def photo_row(number: int) -> dict[str, str | int | float]:
    digest = hashlib.sha256(b"photo %d" % number).hexdigest()
    return {
        "id": digest[:32],
        "file_path": f"file:///bucket/images/originals/{digest[:32]}.jpg",
        "file_hash": digest,
        "filename": f"photo-{number}.jpg",
        "byte_size": 1000,
        "width": 4000,
        "height": 3000,
        "orientation": "landscape",
        "ingested_at": NOW + number,
    }


def test_object_put_on_disk(benchmark: Benchmark, tmp_path: Path, rendered: RenderedImage) -> None:
    bucket = DiskBucket(tmp_path.as_uri())
    picture = rendered.variants[0].data
    numbers = itertools.count()

    def put() -> bool:
        return bucket.create(f"processed/kitchen/{next(numbers)}.jpg", picture, "image/jpeg")

    assert benchmark(put) is True
    assert bucket.read("processed/kitchen/0.jpg") == picture
