"""A backend with 20,000 photos on a disk in memory: start, snapshot, and uploads within 1 GiB."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from backend.database import Database, key_value, missing_variants, record_import
from backend.durability.record_reader import pictures_of
from contract import object_names
from contract.machine import free_port
from contract.messages.processing import Palette
from contract.messages.records import DevicesRecord, ImageRecord, RecordedDevice, RecordedResult
from contract.recipes import recipe
from emulators.cloud_storage.server import GcsServer
from tests.support.instances import BUCKET, Instance
from tests.support.memory_limit import memory_limit
from tests.support.small_photos import photo

pytestmark = [pytest.mark.server, pytest.mark.long]

PHOTOS = 20_000
DEVICES = 5
LIMIT_BYTES = 2**30
UPLOAD_BYTES = 30 * 2**20 - 4096
"""The largest upload, with space for the form around it."""
SNAPSHOT_SECONDS = 600.0
"""A slow snapshot is followed by the next one after 20 times its duration."""
RECORD_AGE_SECONDS = 7200.0
"""A start lists all records, and reads only those that are newer than an hour before the snapshot."""
URL = f"gs://{BUCKET}"


@pytest.fixture
def disk() -> Iterator[Path]:
    """Create a folder in memory, as the whole disk of a Cloud Run instance is."""
    with tempfile.TemporaryDirectory(prefix="memory-", dir="/dev/shm") as name:
        yield Path(name)


def devices() -> DevicesRecord:
    size = {"width": 800, "height": 480, "orientation": "landscape", "recipe": recipe(800, 480)}
    names = [f"frame-{number}" for number in range(DEVICES)]
    listed = [RecordedDevice(id=name, name=name, key=name, created_at=1.0, changed_at=1.0, **size) for name in names]
    return DevicesRecord(revision=1, devices=tuple(listed), picture_key="00" * 32)


def records() -> Iterator[ImageRecord]:
    """Yield records with 100 colours and a variant for each device."""
    chance = random.Random(1)
    made = recipe(800, 480)
    for number in range(PHOTOS):
        file_hash = hashlib.sha256(b"%d" % number).hexdigest()
        image_id = file_hash[:32]
        colours = [f"#{chance.randrange(1 << 24):06X}" for _ in range(100)]
        primary, secondary, tertiary = colours[:3]
        palette = Palette(
            primary=primary,
            secondary=secondary,
            tertiary=tertiary,
            source_color=primary,
            all_colors=tuple(colours[:8]),
        )
        yield ImageRecord(
            image_id=image_id,
            revision=3,
            file_path=f"images/originals/{image_id}.jpg",
            file_hash=file_hash,
            filename=f"holiday-{number:05}.jpg",
            byte_size=3_000_000,
            width=4000,
            height=3000,
            orientation="landscape",
            ingested_at=1_700_000_000.0 + number,
            rendered_at=1_700_000_060.0 + number,
            processed_at=1_700_000_060.0 + number,
            palette=palette,
            thumbnail_path=object_names.thumbnail(image_id, recipe(300, 200)),
            histogram={colour: chance.randrange(1, 900) for colour in colours},
            results=tuple(
                RecordedResult(
                    device=f"frame-{device}",
                    width=800,
                    height=480,
                    file_path=object_names.variant(f"frame-{device}", image_id, made),
                    recipe=made,
                    processed_at=1_700_000_060.0 + number,
                )
                for device in range(DEVICES)
            ),
        )


def fill_bucket(gcs: GcsServer, folder: Path) -> bytes:
    """Write the records of 20,000 photos. Return the database that contains them."""
    json = {"contentType": "application/json"}
    file = folder / "all.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()

    async def add(batch: list[ImageRecord]) -> None:
        present = pictures_of(batch)
        await database.write(record_import.import_images, batch, URL, present, 0.0)

    async def act() -> None:
        await database.write(key_value.put, "bucket_url", URL)
        await database.write(record_import.import_devices, devices())
        batch: list[ImageRecord] = []
        for record in records():
            gcs.store.put(BUCKET, object_names.record(record.image_id), msgspec.json.encode(record), json, {})
            batch.append(record)
            if len(batch) == 500:
                await add(batch)
                batch.clear()
        await database.write(missing_variants.reconcile_states, 0.0)

    asyncio.run(act())
    database.truncate_wal()
    database.close()
    data = file.read_bytes()
    gcs.store.put(BUCKET, object_names.DEVICES, msgspec.json.encode(devices()), json, {})
    file.unlink()
    return data


@pytest.mark.timeout(1200)
def test_20000_photos_start_and_take_four_uploads_within_a_gibibyte(
    tmp_path: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    age = [RECORD_AGE_SECONDS]
    with GcsServer(BUCKET, clock=lambda: time.time() - age[0]) as gcs, memory_limit(LIMIT_BYTES, disk) as limit:
        data = fill_bucket(gcs, tmp_path)
        age[0] = 0.0
        size = len(data)
        gcs.store.put(BUCKET, object_names.SNAPSHOT, gzip.compress(data, 1), {"contentType": "application/gzip"}, {})
        del data
        backend = Instance(
            disk / "data",
            free_port(),
            gcs.url,
            command_prefix=limit.prefix,
            SNAPSHOT_DELAY_SECONDS="0.2",
            TICK_SECONDS="0.2",
            MALLOC_ARENA_MAX="2",
        )
        watcher = threading.Thread(target=limit.watch, args=(backend.process.pid,))
        if not limit.prefix:
            watcher.start()
        try:
            backend.wait_until_writing(600)
            started = limit.peak()
            bodies = [photo(number) + os.urandom(UPLOAD_BYTES - len(photo(number))) for number in range(4)]
            admin = backend.log_in()

            def upload(number: int) -> int:
                files = {"file": (f"{number}.jpg", bodies[number])}
                return admin.post("/api/admin/upload", files=files, timeout=300).status_code

            before = gcs.store.get(BUCKET, object_names.SNAPSHOT, {}).generation
            with ThreadPoolExecutor(4) as threads:
                assert list(threads.map(upload, range(4))) == [201] * 4, backend.log_text()[-2000:]
            deadline = time.monotonic() + SNAPSHOT_SECONDS
            while gcs.store.get(BUCKET, object_names.SNAPSHOT, {}).generation == before:
                assert time.monotonic() < deadline, backend.log_text()[-2000:]
                time.sleep(0.1)
            status = admin.get("/api/admin/status").json()
            admin.close()
            assert backend.stop() == 0
        finally:
            if backend.process.poll() is None:
                backend.kill()
            limit.end()
        with capsys.disabled():
            print(  # noqa: T201
                f"\n{PHOTOS} photos, database of {size / 2**20:.0f} MiB, limit {limit.how}: peak {started / 2**20:.0f} "
                f"MiB at start, {limit.peak() / 2**20:.0f} MiB with four uploads of 30 MiB"
            )
        assert status["images"]["complete"] == PHOTOS
        assert sum(status["images"].values()) == PHOTOS + 4
        assert limit.peak() <= LIMIT_BYTES
        assert "raise the memory limit" not in backend.log_text()
