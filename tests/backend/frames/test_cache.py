"""Cycles of a device without an interval: each photo once, with several clients, restarts and failures."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from backend.database import Database, shuffle_queues
from backend.frames.cache import FrameStateCache
from backend.frames.entries import EntryBuilder, nameless_answer
from backend.frames.service import MAX_CACHED_ENTRIES, FrameService
from backend.playlist.pairs import Entry
from backend.services import TRANSIENT_CHANGES
from contract.messages.frames import Caption, NextEntry, QueueEntry
from contract.messages.processing import Palette

PHOTOS = tuple(f"{number:032x}" for number in range(40))
GREY = "#808080"
DEVICE: Any = SimpleNamespace(
    id="wall",
    key="wall",
    interval_seconds=0,
    filters=None,
    half_recipe=None,
    width=160,
    height=96,
    gap=0,
    picture_salt="",
)


class Maker:
    def entry(self, key: str, photos: Entry, rows: object) -> QueueEntry:
        return entry_of(photos[0])


def entry_of(photo: str, **more: Any) -> QueueEntry:
    palette = Palette(primary=GREY, secondary=GREY, tertiary=GREY, source_color=GREY, all_colors=(GREY,) * 8)
    return QueueEntry(image_id=photo, file_path=f"/{photo}", color_palette=palette, **more)


class Wall:
    """The frame service of one process over a database with 40 photos; `asked` counts its queries by name."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()

        self.photos = PHOTOS
        self.may_write = True
        self.fails: Callable[[str], Exception | None] = lambda query: None
        """Returns the error to raise after a query, given by name, was committed."""

        def available_photos(connection: Connection, *_: object) -> shuffle_queues.AvailablePhotos:
            return shuffle_queues.AvailablePhotos(self.photos, frozenset())

        monkeypatch.setattr(shuffle_queues, "available_photos", available_photos)
        self.database = Database(f"sqlite:///{file}")
        self.database.migrate()
        self.database.ephemeral, self.database.private = TRANSIENT_CHANGES, frozenset({shuffle_queues.save})
        for name in ("read", "write"):
            monkeypatch.setattr(self.database, name, self._counted(getattr(self.database, name)))
        states = FrameStateCache(self.database, time.time, may_write=lambda: self.may_write, new_seed=lambda: "seed")
        maker = cast(EntryBuilder, Maker())
        self.frames = FrameService(self.database, states, maker, time.time, may_write=lambda: self.may_write)

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def counting(query: Callable[..., Any], *args: Any) -> Any:
            self.asked[query.__name__] += 1
            answer = await method(query, *args)
            if (error := self.fails(query.__name__)) is not None:
                raise error
            return answer

        return counting

    async def take(self, times: int) -> list[str]:
        found = []
        for _ in range(times):
            taken = await self.frames.take(DEVICE)
            assert taken is not None
            state, (_, entry) = taken
            assert state.made[entry].image_id == entry[0]
            found.append(entry[0])
            await asyncio.sleep(0)  # a frame's next call comes in a later turn of the event loop
        return found

    async def crowd(self, frames: int, times: int) -> list[str]:
        """Return all photos that several concurrent clients receive."""
        given = await asyncio.gather(*(self.take(times) for _ in range(frames)))
        return [photo for some in given for photo in some]


@pytest.fixture
def new_wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made: list[Wall] = []

    def start() -> Wall:
        monkeypatch.undo()
        made.append(Wall(tmp_path / "slideshow.db", monkeypatch))
        return made[-1]

    yield start
    for wall in made:
        wall.database.close()


def test_take_writes_once_per_cycle_and_reads_photos_once_a_second(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        began = time.monotonic()
        given = await wall.crowd(16, 5 * len(PHOTOS) // 16 * 2)
        rounds = [given.count(photo) for photo in PHOTOS]
        assert max(rounds) - min(rounds) <= 1
        seconds = time.monotonic() - began
        assert wall.asked["save"] == max(rounds)
        assert wall.asked["available_photos"] <= 1 + seconds  # changes of other processes are checked once a second

    asyncio.run(run())


def test_take_by_many_clients_shows_each_photo_once_per_cycle_across_restarts(new_wall: Any) -> None:
    async def run(wall: Wall, times: int) -> list[str]:
        given = await wall.crowd(8, times)
        await wall.frames.close()
        return given

    given = [photo for times in (3, 4, 11, 1, 6) for photo in asyncio.run(run(new_wall(), times))]
    whole, rest = divmod(len(given), len(PHOTOS))
    assert {given.count(photo) for photo in PHOTOS} == ({whole, whole + 1} if rest else {whole})


def test_take_after_crash_repeats_no_photo_of_the_cycle(new_wall: Any) -> None:
    async def run(wall: Wall, frames: int, times: int) -> list[str]:
        return await wall.crowd(frames, times)

    seen = asyncio.run(run(new_wall(), 1, 7))
    seen += asyncio.run(run(new_wall(), 1, 9))  # the previous service is not closed
    assert len(set(seen)) == 16
    seen += asyncio.run(run(new_wall(), 6, 2))
    assert len(set(seen)) == 28


def test_take_by_one_client_after_many_stores_the_exact_position(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        await wall.crowd(16, 10)
        for _ in range(3):
            await wall.take(len(PHOTOS))
        for _ in range(10):
            await wall.take(1)
            state = await wall.frames.state(DEVICE)
            kept = await wall.database.read(shuffle_queues.read, "wall")
            assert kept is not None
            assert (kept.cycle, kept.shown) == (state.queue.cycle, state.queue.shown)

    asyncio.run(run())


def test_take_of_more_entries_than_cached_loses_no_photo(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        wall.photos = tuple(f"{number:032x}" for number in range(MAX_CACHED_ENTRIES + 88))
        given = await wall.crowd(16, len(wall.photos) // 8)
        assert set(Counter(given).values()) == {2}

    asyncio.run(run())


def test_close_keeps_the_position_of_another_backend(new_wall: Any) -> None:
    async def run() -> None:
        old = new_wall()
        seen = await old.take(10)
        new = new_wall()
        seen += await new.take(5)
        await old.frames.close()
        await new.frames.close()
        seen += await new_wall().take(len(PHOTOS) - 15)
        assert sorted(seen) == sorted(PHOTOS)

    asyncio.run(run())


def test_take_after_unconfirmed_write_of_a_cycle_returns_all_photos(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        await wall.crowd(8, len(PHOTOS) // 8)
        wall.fails = lambda query: OperationalError("save", {}, OSError("lost")) if query == "save" else None
        with pytest.raises(OperationalError):
            await wall.take(1)
        wall.fails = lambda query: None
        assert sorted(await wall.take(len(PHOTOS))) == sorted(PHOTOS)

    asyncio.run(run())


def test_close_after_unconfirmed_write_of_a_cycle_returns_reservations(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        await wall.crowd(8, len(PHOTOS) // 8)
        wall.fails = lambda query: OperationalError("save", {}, OSError("lost")) if query == "save" else None
        failed = await asyncio.gather(*(wall.take(1) for _ in range(8)), return_exceptions=True)
        assert any(isinstance(one, OperationalError) for one in failed)
        kept = await wall.database.read(shuffle_queues.read, "wall")
        assert (kept.cycle, kept.shown > 1) == (2, True)
        wall.fails = lambda query: None
        seen = await wall.take(5)
        await wall.frames.close()
        seen += await new_wall().take(len(PHOTOS) - 5)
        assert sorted(seen) == sorted(PHOTOS)

    asyncio.run(run())


def test_close_counts_as_a_change_for_the_next_snapshot(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        await wall.crowd(8, 2)
        before = wall.database.changes
        await wall.frames.close()
        assert wall.database.changes == before + 1

    asyncio.run(run())


def test_take_before_writes_are_allowed_repeats_no_photo(new_wall: Any) -> None:
    async def run() -> None:
        await new_wall().take(10)
        wall = new_wall()
        wall.may_write = False
        wall.photos = (*PHOTOS, *(f"{number:032x}" for number in range(100, 110)))  # newer than the stored queue
        known = await wall.database.read(shuffle_queues.read, "wall")
        seen = [entry[0] for entry in known.entries[: known.shown]] + await wall.take(25)
        wall.may_write = True
        seen += await wall.take(5)
        after = new_wall()
        after.photos = wall.photos
        seen += await after.take(10)
        assert sorted(seen) == sorted(wall.photos)

    asyncio.run(run())


def test_take_with_failed_write_returns_the_photo_next_time(new_wall: Any) -> None:
    async def run() -> None:
        wall = new_wall()
        seen = await wall.take(3)
        wall.fails = lambda query: (
            OperationalError("save_position", {}, OSError("disk full")) if query == "save_position" else None
        )
        failed = await asyncio.gather(*(wall.take(1) for _ in range(6)), return_exceptions=True)
        assert all(isinstance(one, OperationalError) for one in failed)
        wall.fails = lambda query: None
        seen += await wall.crowd(4, (len(PHOTOS) - 4) // 4)
        assert len(set(seen)) == len(seen) == len(PHOTOS) - 1

    asyncio.run(run())


def test_nameless_answer_equals_a_new_response() -> None:
    hostile = '"entry":"?" \\"entry\\":\\"?\\" \u0000'
    entry = entry_of("f" * 32, entry="7.ffff", caption=Caption(name=hostile, uploaded="now", taken=None))
    kept = nameless_answer(entry, until=9.5, gap=3, captions=True)
    first, second = kept.named("7.ffff"), kept.named("8.ffff")
    response = NextEntry(**msgspec.structs.asdict(entry), until=9.5, gap=3)
    assert first.data == msgspec.json.encode(response)
    assert msgspec.json.decode(second.data, type=NextEntry).entry == "8.ffff"
    assert first.etag != second.etag
    silent = nameless_answer(entry, until=9.5, gap=3, captions=False).named("7.ffff")
    assert msgspec.json.decode(silent.data, type=NextEntry).caption is None
    assert silent.etag != first.etag
