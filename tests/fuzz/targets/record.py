"""Permanent records of a photo and of all devices, as `rebuild` reads and imports them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from backend.database import record_import, record_queries
from backend.durability.record_reader import UnreadableRecord, parse_devices, parse_record, pictures_of
from contract import object_names
from contract.messages.frames import FrameFilters
from contract.messages.processing import Palette
from contract.messages.records import DevicesRecord, ImageRecord, RecordedDevice, RecordedResult
from contract.recipes import recipe
from tests.fuzz.library import BUCKET_URL, IMAGE, NOW, Everything, connected
from tests.fuzz.sentences import DEEP, check_message

PALETTE = Palette(
    primary="#102030", secondary="#405060", tertiary="#708090", source_color="#102030", all_colors=("#102030",) * 8
)


def seeds() -> Sequence[bytes]:
    picture = RecordedResult(
        device="frame",
        width=800,
        height=480,
        file_path=object_names.variant("frame", IMAGE, recipe(800, 480)),
        recipe=recipe(800, 480),
        processed_at=NOW,
    )
    photo = ImageRecord(
        image_id=IMAGE,
        revision=7,
        file_path=f"images/originals/{IMAGE}.jpg",
        file_hash=IMAGE * 2,
        filename="photo.jpg",
        byte_size=3_000_000,
        width=4000,
        height=3000,
        orientation="landscape",
        ingested_at=NOW,
        captured_at=NOW - 9000.5,
        rendered_at=NOW,
        processed_at=NOW,
        render_seconds=0.25,
        attempts=1,
        strikes=1,
        palette=PALETTE,
        histogram={"#102030": 900, "#405060": 12},
        focus=(0.25, 0.75),
        found_focus=(0.5, 0.5),
        results=(picture, msgspec.structs.replace(picture, palette=PALETTE, device="frame/half")),
    )
    device = RecordedDevice(
        id="frame",
        name="Kitchen",
        key="frame",
        width=800,
        height=480,
        orientation="landscape",
        recipe=recipe(800, 480),
        created_at=NOW,
        changed_at=NOW,
        token_hash="0" * 64,
        interval_seconds=60,
        gap=8,
        pairing=True,
        half_recipe=recipe(396, 480),
        filters=FrameFilters(orientations=("portrait",), newest_days=30, name="a", colour="#102030"),
    )
    return [
        msgspec.json.encode(record)
        for record in (
            photo,
            msgspec.structs.replace(photo, error="photo.jpg is damaged."),
            ImageRecord(image_id=IMAGE, revision=9, deleted_at=NOW),
            DevicesRecord(revision=5, devices=(device,), picture_key="key"),
        )
    ] + [b'{"more": ' + DEEP]


def check(data: bytes) -> None:
    name = object_names.record(IMAGE)
    try:
        photo = parse_record(name, data)
    except UnreadableRecord as error:
        check_message(error, start=name, end="")
    else:
        assert parse_record(name, msgspec.json.encode(photo)) == photo
        assert len(pictures_of([photo])) <= len(photo.results) + 1
        with connected() as connection:
            imported = record_import.import_images(connection, [photo], BUCKET_URL, Everything(), NOW)
            if imported:
                (stored,) = record_queries.read_records(connection, [IMAGE], BUCKET_URL)
                assert (stored.revision, stored.deleted_at) == (photo.revision, photo.deleted_at)
    try:
        frames = parse_devices(data)
    except UnreadableRecord as error:
        check_message(error, start=object_names.DEVICES, end="")
        return
    with connected() as connection:
        if record_import.import_devices(connection, frames):
            assert record_queries.read_devices(connection).revision == frames.revision
