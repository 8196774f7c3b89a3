"""The entries that `next` and its listings return, from real databases: SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from backend.database import devices, images, shuffle_queues
from backend.database.devices import Device
from backend.database.tables import images as image_table
from backend.database.tables import processed_images, queue_entries
from backend.database.variants import store_variants, variant_row
from backend.frames import service as frames_service
from backend.frames.entries import EntryBuilder
from backend.frames.selection import MAX_AHEAD
from backend.frames.service import FrameService
from contract.bucket.disk import DiskBucket
from contract.messages.devices import DeviceBody
from contract.messages.frames import FrameFilters, QueueEntry
from contract.split_screen import split_key
from tests.support.core_library import PALETTE, Library, image_id

NOW = 1_700_000_000.0
DAY = 86_400.0
WIDTH, HEIGHT = 800, 480


class Frames:
    """A device and its photos in a database, and calls of the service at a time that the test sets."""

    def __init__(self, library: Library, folder: Path) -> None:
        self.library = library
        self.now = NOW
        self.may_write = True
        folder.mkdir()
        bucket = DiskBucket(f"file://{folder}")
        self.service = FrameService(
            library.database, EntryBuilder(bucket, lambda path: "s"), lambda: self.now, lambda: self.may_write
        )
        self.bucket_url = bucket.url

    def device(self, interval: int = 0, pairing: bool = False, filters: FrameFilters | None = None) -> Device:
        """Create or change the device `frame`, as a request does."""
        body = DeviceBody(
            name="frame", width=WIDTH, height=HEIGHT, pairing=pairing, gap=0, interval=interval, filters=filters
        )
        self.library.write(devices.save, "frame", body, "hash", NOW)
        self.library.run(self.service.refilter())
        return self.stored()

    def stored(self) -> Device:
        (device,) = self.library.read(devices.read_all)
        return device

    def add(self, numbers: Sequence[int], *, tall: Sequence[int] = (), at: float = NOW) -> list[str]:
        """Store rendered photos; those in `tall` also have a split-screen variant."""
        ids = [image_id(number) for number in numbers]
        self.library.write(_store, numbers, tall, self.bucket_url, at)
        return ids

    def remove(self, *ids: str) -> None:
        self.library.write(_remove, ids)

    def next(self) -> list[str]:
        """Return the photos of the next entry."""
        return _photos(self.library.run(self.service.next(self.stored())))

    def following(self, after: str) -> QueueEntry:
        entry = self.library.run(self.service.following(self.stored(), after))
        assert entry is not None
        return entry

    def listed(self, count: int, after: str | None = None) -> list[QueueEntry]:
        return list(self.library.run(self.service.listing(self.stored(), after, count)).entries)


def _store(connection: sa.Connection, numbers: Sequence[int], tall: Sequence[int], bucket: str, at: float) -> None:
    for number in numbers:
        name = image_id(number)
        is_tall = number in tall
        values = {
            "id": name,
            "file_path": f"{bucket}/images/originals/{name}.jpg",
            "file_hash": name * 2,
            "filename": f"photo-{number}.jpg",
            "byte_size": 1,
            "width": 30 if is_tall else 40,
            "height": 40 if is_tall else 30,
            "orientation": "portrait" if is_tall else "landscape",
            "ingested_at": at,
        }
        images.add(connection, values)
        palette = {**msgspec.to_builtins(PALETTE), "allColors": list(PALETTE.all_colors)}
        connection.execute(sa.update(image_table).where(image_table.c.id == name).values(color_palette=palette))
        rows = [variant_row(name, "frame", (WIDTH, HEIGHT), f"{bucket}/processed/frame/{name}.jpg", PALETTE, "r", at)]
        if is_tall:
            uri = f"{bucket}/processed/frame/half/{name}.jpg"
            rows.append(variant_row(name, split_key("frame"), (WIDTH // 2, HEIGHT), uri, PALETTE, "r", at))
        store_variants(connection, rows)
    shuffle_queues.enqueue(connection, [image_id(number) for number in numbers], at)


def _remove(connection: sa.Connection, ids: Sequence[str]) -> None:
    connection.execute(sa.delete(processed_images).where(processed_images.c.image_id.in_(ids)))


def _photos(entry: QueueEntry | None) -> list[str]:
    return [] if entry is None else [photo for photo in (entry.image_id, entry.paired_with) if photo]


@pytest.fixture
def frames(library: Library, tmp_path: Path) -> Frames:
    return Frames(library, tmp_path / "bucket")


@pytest.mark.parametrize(("count", "tall"), [(1, 0), (2, 2), (3, 3), (7, 0), (12, 5), (9, 9)])
def test_next_shows_every_photo_once_in_each_cycle(frames: Frames, count: int, tall: int) -> None:
    frames.device(pairing=True)
    ids = set(frames.add(range(count), tall=range(tall)))
    last: list[str] = []
    for _ in range(4):
        shown: list[str] = []
        while len(shown) < count:
            entry = frames.next()
            assert count < 3 or not set(entry) & set(last), "twice in a row"
            shown += entry
            last = entry
        assert sorted(shown) == sorted(ids)


def test_next_orders_differ_between_cycles(frames: Frames) -> None:
    frames.device()
    frames.add(range(12))
    cycles = [[frames.next()[0] for _ in range(12)] for _ in range(4)]
    assert len({tuple(cycle) for cycle in cycles}) == 4


def test_next_pairs_almost_all_pairable_photos(frames: Frames) -> None:
    frames.device(pairing=True)
    frames.add(range(20), tall=range(11))
    for _ in range(3):
        entries = []
        while sum(map(len, entries)) < 20:
            entries.append(frames.next())
        assert sum(len(entry) == 2 for entry in entries) == 5


@pytest.mark.parametrize("tall", [0, 7])
def test_listing_announces_what_next_returns(frames: Frames, tall: int) -> None:
    """Also where the cycle ends, so that a frame may fetch entries in advance."""
    frames.device(pairing=True)
    frames.add(range(10), tall=range(tall))
    for _ in range(25):
        announced = [_photos(entry) for entry in frames.listed(4)]
        assert [frames.next() for _ in range(2)] == announced[:2]


@pytest.mark.parametrize("pairing", [False, True])
def test_listing_contains_no_photo_twice(frames: Frames, pairing: bool) -> None:
    frames.device(pairing=pairing)
    ids = frames.add(range(10), tall=range(4))
    frames.next()
    listed = [photo for entry in frames.listed(100) for photo in _photos(entry)]
    assert len(set(listed)) == len(listed)
    # The partner that a photo has in the next cycle may have been listed already; then both are left out.
    assert len(listed) >= (8 if pairing else len(ids))


@pytest.mark.parametrize(("interval", "tall"), [(0, 0), (0, 6), (600, 6)])
def test_after_leads_through_cycles_without_moving_the_position(frames: Frames, interval: int, tall: int) -> None:
    frames.device(interval=interval, pairing=True)
    ids = frames.add(range(11), tall=range(tall))
    frames.next()
    entry = frames.listed(1)[0]
    cycles: dict[int, list[str]] = {}
    last: list[str] = []
    for _ in range(60):
        shown = _photos(entry)
        assert not set(shown) & set(last)
        cycles.setdefault(int(entry.entry.partition(".")[0]), []).extend(shown)
        last = shown
        entry = frames.following(entry.entry)
    numbers = list(cycles)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 3
    for number in numbers[1:-1]:
        assert sorted(cycles[number]) == sorted(ids)


@pytest.mark.long
def test_after_leads_through_a_large_library(frames: Frames) -> None:
    frames.device(pairing=True)
    count = 2 * MAX_AHEAD
    ids = frames.add(range(count), tall=range(0, count, 3))
    for _ in range(5):
        frames.next()
    shown: dict[int, list[str]] = {}
    after = frames.listed(1)[0].entry
    for _ in range(40):
        for entry in frames.listed(100, after):
            shown.setdefault(int(entry.entry.partition(".")[0]), []).extend(_photos(entry))
            after = entry.entry
    assert len(shown) >= 4
    for number in list(shown)[:-1]:
        assert len(shown[number]) - len(set(shown[number])) <= count // 100, "few photos twice"
    assert len(set(shown[2])) >= 0.95 * len(ids)


def test_new_photos_take_every_second_turn(frames: Frames) -> None:
    frames.device()
    frames.add(range(10))
    before = [frames.next()[0] for _ in range(4)]
    new = frames.add(range(100, 103))
    assert [_photos(entry)[0] in new for entry in frames.listed(6)] == [True, False, True, False, True, False]
    shown = [frames.next()[0] for _ in range(9)]
    assert [photo in new for photo in shown] == [True, False, True, False, True, False, False, False, False]
    assert len({*before, *shown}) == 13, "no photo twice before the cycle ends"


def test_removed_photos_are_shown_no_longer(frames: Frames) -> None:
    frames.device(interval=60)
    ids = frames.add(range(5))
    (first,) = frames.next()
    frames.remove(first, ids[0] if ids[0] != first else ids[1])
    shown = set()
    for _ in range(6):
        shown.update(frames.next())
        frames.now += 60
    assert len(shown) == 3
    frames.remove(*ids)
    assert frames.next() == []
    assert frames.listed(5) == []


def test_next_within_an_interval_returns_the_same_entry(frames: Frames) -> None:
    frames.device(interval=60)
    frames.add(range(8))
    frames.now = 60 * (NOW // 60)
    first = frames.next()
    frames.now += 59.9
    assert frames.next() == first
    announced = [_photos(entry) for entry in frames.listed(5)]
    assert announced[0] == first
    frames.now += 60
    assert frames.next() == announced[1]
    frames.now += 180
    assert [_photos(entry) for entry in frames.listed(1)] == announced[4:]
    assert frames.next() == announced[4], "entries of missed slots are passed over"


def test_next_after_a_long_silence_skips_nothing(frames: Frames) -> None:
    frames.device(interval=60)
    frames.add(range(8))
    frames.next()
    upcoming = [_photos(entry) for entry in frames.listed(2)][1]
    frames.now += 30 * DAY
    assert frames.next() == upcoming


def test_filters_select_photos(frames: Frames) -> None:
    frames.device(pairing=False)
    ids = frames.add(range(6), tall=range(2))
    frames.next()
    frames.device(filters=FrameFilters(orientations=("portrait",)))
    assert {frames.next()[0] for _ in range(4)} == set(ids[:2])
    frames.add([6], tall=[6])
    frames.add([7])
    assert {frames.next()[0] for _ in range(6)} == {*ids[:2], image_id(6)}
    frames.device(filters=FrameFilters())
    assert len({frames.next()[0] for _ in range(16)}) == 8


def test_filter_by_age_drops_photos_as_time_passes(frames: Frames) -> None:
    frames.device(filters=FrameFilters(newest_days=2))
    old = frames.add(range(3), at=NOW - 1.5 * DAY)
    recent = frames.add(range(3, 6), at=NOW)
    assert {frames.next()[0] for _ in range(6)} == {*old, *recent}
    frames.now += DAY
    assert {_photos(entry)[0] for entry in frames.listed(10)} == set(recent)
    assert {frames.next()[0] for _ in range(6)} == set(recent)
    frames.now += DAY
    frames.now += DAY
    assert frames.next() == []


def test_next_stores_nothing_while_it_must_not_write(frames: Frames) -> None:
    frames.device()
    frames.add(range(4))
    frames.next()
    before = frames.library.run(frames.library.database.version())
    frames.may_write = False
    assert frames.next() == frames.next()
    assert frames.library.run(frames.library.database.version()) == before


def test_peek_at_a_damaged_photo_stores_nothing(frames: Frames) -> None:
    device = frames.device()
    (damaged,) = frames.add([0])
    frames.library.by_hand("UPDATE images SET color_palette = '{}' WHERE id = :id", id=damaged)
    before = frames.library.run(frames.library.database.version())
    assert frames.library.run(frames.service.next(device, peek=True)) is None
    assert frames.library.run(frames.library.database.version()) == before


def test_next_of_concurrent_calls_and_backends_repeats_nothing(frames: Frames) -> None:
    device = frames.device()
    frames.add(range(40))
    other = frames.library.another()

    async def ask() -> list[Any]:
        databases = [frames.library.database, other.database]
        return await asyncio.gather(
            *(databases[number % 2].write(frames_service.advance, device, NOW) for number in range(40))
        )

    chosen = frames.library.run(ask())
    other.close()
    assert len({entry for item in chosen for _, entry in item.entries}) == 40


def test_photo_is_returned_only_if_the_filters_select_it(frames: Frames) -> None:
    device = frames.device(filters=FrameFilters(orientations=("portrait",)))
    tall, wide = frames.add([0, 1], tall=[0])
    assert frames.library.run(frames.service.photo(device, tall, selected_only=True)) is not None
    assert frames.library.run(frames.service.photo(device, wide, selected_only=True)) is None


@pytest.mark.parametrize("after", ["", ".", "1.", "x", "1.zz", "999999999." + "0" * 12, "1.\0", "1.%"])
def test_unknown_after_returns_the_current_entry(frames: Frames, after: str) -> None:
    frames.device()
    frames.add(range(3))
    assert frames.following(after) == frames.listed(1)[0]


def test_every_variant_of_a_device_has_a_place(frames: Frames) -> None:
    """Also after random changes, and none is left behind."""
    random = Random(1)
    frames.device(pairing=True)
    for step in range(12):
        frames.add(range(10 * step, 10 * step + 3), tall=range(10 * step, 10 * step + 2))
        if step % 3:
            frames.remove(image_id(10 * random.randrange(step)))
        frames.next()
    variants = frames.library.read(_variant_ids)
    assert frames.library.read(_queued_ids) == variants


def _variant_ids(connection: sa.Connection) -> set[int]:
    query = sa.select(processed_images.c.id).where(processed_images.c.device_size == "frame")
    return set(connection.scalars(query))


def _queued_ids(connection: sa.Connection) -> set[int]:
    return set(connection.scalars(sa.select(queue_entries.c.variant_id)))


def test_next_runs_a_fixed_number_of_statements(frames: Frames) -> None:
    """Independent of the number of photos: rows are read by the index, from the lowest place on."""
    frames.device(pairing=True)
    frames.add(range(8), tall=range(3))
    few = _statements(frames, frames.next)
    frames.add(range(100, 700), tall=range(100, 400))
    many = _statements(frames, frames.next)
    assert max(few, many) <= 16
    device = frames.stored()
    explained = frames.library.read(_explained, device)
    assert "ix_queue_entries_order" in explained, explained
    assert "SCAN" not in explained.upper().replace("INDEX SCAN", "").replace("INDEX ONLY SCAN", ""), explained


def _statements(frames: Frames, call: Callable[[], object]) -> int:
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    engines = [frames.library.database._reader, frames.library.database._writer]
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", counted)
    call()
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", counted)
    return count


def _explained(connection: sa.Connection, device: Device) -> str:
    statements: list[tuple[str, Any]] = []
    sa.event.listen(connection, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
    shuffle_queues.queued_photos(connection, device.key, (400, 480), 4, first_cycle=0, last_cycle=9)
    (statement, parameters) = statements[0]
    prefix = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    rows = connection.exec_driver_sql(prefix + statement, parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
