"""An emulated frame polls over HTTP, fetches each picture, and survives a crash of the backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support import frame_library, server

pytestmark = pytest.mark.server

MAX_ANSWER = 65_536
MAX_COMPACT = 4096


@dataclass
class Wall:
    """A frame and the photos that it has shown in each cycle. `ahead`: it steps with `after`, within an interval."""

    name: str
    token: str
    ahead: bool = False
    rounds: list[list[str]] = field(default_factory=lambda: [[]])
    entry: str | None = None
    pictures: int = 0
    pairs: int = 0

    def poll(self, client: httpx.Client, times: int) -> None:
        """Show this many entries."""
        headers = {"Authorization": f"Bearer {self.token}"}
        address = f"/api/devices/{self.name}/next"
        for _ in range(times):
            answer = client.get(address, headers=headers, params={"after": self.entry} if self.entry else {})
            assert answer.status_code == 200, answer.text
            assert len(answer.content) <= MAX_ANSWER
            body = answer.json()
            if self.ahead:
                self.entry = body["entry"]
            photos = [photo for photo in (body["imageId"], body["pairedWith"]) if photo]
            self._record(int(body["entry"].partition(".")[0]), photos)
            for url in (body["url"], body["pairedUrl"]):
                if url:
                    picture = client.get(url)
                    assert picture.status_code == 200, url
                    assert picture.headers["content-type"] == "image/jpeg"
            self.pictures += 1
            self.pairs += body["isPaired"]
            compact = client.get(f"{address.removesuffix('next')}slideshow?compact=1&count=20", headers=headers)
            assert len(compact.content) < MAX_COMPACT

    def _record(self, epoch: int, photos: list[str]) -> None:
        while len(self.rounds) <= epoch:
            self.rounds.append([])
        assert epoch == len(self.rounds) - 1, "a round does not come back"
        shown = self.rounds[epoch]
        if not shown and self.rounds[epoch - 1]:
            assert not set(photos) & set(self.rounds[epoch - 1][-1:]), "twice in a row at the seam"
        assert not set(photos) & set(shown), "again before all others had their turn"
        shown += photos


def walls(backend: server.BackendServer) -> list[Wall]:
    """Return a frame without an interval, and one that steps ahead within a long interval; both pair."""
    plain = backend.add_device("plain", pairing=True, gap=4)
    timed = backend.add_device("timed", pairing=True, interval=2_600_000)
    return [Wall("plain", plain["token"]), Wall("timed", timed["token"], ahead=True)]


def watch(data: Path, entries: int, wide: int, tall: int) -> list[Wall]:
    """Poll `entries` entries each, with a restart in the middle, added photos and a deleted one."""
    with server.running(data) as backend:
        found = walls(backend)
        frame_library.upload(backend, wide=wide, tall=tall)
        while claimed := backend.claim("run/0"):
            frame_library.render(backend, claimed)
        for wall in found:
            wall.poll(backend.anonymous, entries // 2)
        backend.process.kill()  # no orderly stop: returned positions must be durable all the same
        backend.process.wait()
    with server.running(data) as backend:
        for wall in found:
            wall.poll(backend.anonymous, entries // 4)
        before = backend.admin.get("/api/devices/plain/slideshow?count=2").json()["queue"][-1]["imageId"]
        backend.admin.delete(f"/api/images/{before}").raise_for_status()
        frame_library.upload(backend, wide=1, tall=2, first=900)
        frame_library.render(backend, backend.claim("run/1"))
        found[1].entry = None  # the cycle that it stepped ahead in has changed
        found[1].rounds = [[]]
        for wall in found:
            wall.poll(backend.anonymous, entries - wall.pictures)
    return found


def complete_rounds(wall: Wall, photos: int) -> int:
    return sum(len(shown) == photos for shown in wall.rounds)


def test_frame_shows_all_photos_once_per_cycle_through_a_crash(data_folder: Path) -> None:
    plain, timed = watch(data_folder, entries=40, wide=6, tall=5)
    assert plain.pictures == timed.pictures == 40
    assert plain.pairs > 0
    assert complete_rounds(plain, 11) >= 2


@pytest.mark.long
@pytest.mark.timeout(900)
def test_frame_shows_a_thousand_pictures(data_folder: Path) -> None:
    plain, timed = watch(data_folder, entries=1000, wide=30, tall=24)
    assert plain.pictures == timed.pictures == 1000
    assert complete_rounds(plain, 54) >= 14
    assert complete_rounds(timed, 54) + complete_rounds(timed, 56) >= 5
