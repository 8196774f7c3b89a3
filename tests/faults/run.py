"""One broken run: photos are uploaded, rendered and reported while everything around them dies, then it is calm."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
from msgspec import Struct

from bench.system.photos import small_photos
from emulators.cloud_run.model import LOST, Fault
from slideshow.errors import CommandFailed
from tests.faults.checks import Verdict, judge, rows
from tests.faults.environment import Environment
from tests.faults.events import Event, drawn
from tests.faults.fault_plan import FaultPlan

DEVICES = {"wide": (160, 96), "tall": (96, 160)}
UPLOADERS = 2
BAD_SHARE = 25
"""Every so many photos one is cut off in the middle: it has to fail, with its sentence."""
QUIET_SECONDS = 3.0
"""Nothing finishes for so long: the next event comes all the same."""
UPLOAD_SECONDS = 180.0
PAUSE_SECONDS = 0.2


class Case(Struct, frozen=True, kw_only=True):
    """What a run is made of; chances are those of each call.

    `still_seconds`: stuck is what has not moved for so long since it was calm, or not ended after `end_seconds`.
    """

    seed: int
    images: int = 300
    most_tasks: int = 8
    bucket_faults: float = 0.03
    network_faults: float = 0.08
    still_seconds: float = 90.0
    end_seconds: float = 900.0


class Result(Struct, frozen=True, kw_only=True):
    """What came of a run: the verdict, and how much was broken."""

    case: Case
    verdict: Verdict
    events: tuple[Event, ...]
    executions: int
    network: dict[str, int]
    suspects: int
    seconds: float

    def words(self) -> str:
        """One line."""
        kinds = [event.kind for event in self.events]
        counted = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in sorted(set(kinds)))
        return (
            f"seed {self.case.seed}: {self.case.images} images, {self.executions} executions, {counted}, "
            f"{sum(self.network.values())} requests astray; {self.verdict.words()}; {self.seconds:.0f} s"
        )


class Uploads:
    """Sends photos until each is acknowledged, as a patient person would; `good` and `bad` are the ids they got."""

    def __init__(self, world: Environment, photos: list[Path]) -> None:
        self._world = world
        self._photos = list(enumerate(photos))
        self._lock = threading.Lock()
        self.good: set[str] = set()
        self.bad: set[str] = set()
        self.faults: list[str] = []
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(UPLOADERS)]
        self._deadline = time.monotonic() + UPLOAD_SECONDS
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _send_all(self) -> None:
        with closing(self._log_in()) as client:
            while True:
                with self._lock:
                    if not self._photos:
                        return
                    number, path = self._photos.pop(0)
                data = path.read_bytes()
                bad = number % BAD_SHARE == BAD_SHARE - 1
                self._send(client, path.name, data[: len(data) * 2 // 3] if bad else data, bad=bad)

    def _log_in(self) -> httpx.Client:
        while time.monotonic() < self._deadline:
            try:
                return self._world.logged_in()
            except httpx.HTTPError:
                time.sleep(PAUSE_SECONDS)
        raise CommandFailed("nobody could log in")

    def _send(self, client: httpx.Client, name: str, data: bytes, *, bad: bool) -> None:
        said = "it was never answered"
        while time.monotonic() < self._deadline:
            try:
                answer = client.post("/api/admin/upload", files={"file": (name, data)})
                if answer.status_code in (200, 201):
                    with self._lock:
                        (self.bad if bad else self.good).add(answer.json()["id"])
                    return
                said = f"{answer.status_code} {answer.text[:200]}"
                if answer.status_code != 503:
                    break
            except httpx.HTTPError as error:
                said = repr(error)
            time.sleep(PAUSE_SECONDS)
        self.faults.append(f"{name} was not taken: {said}")


def run(case: Case, folder: Path) -> Result:
    """Break a system in `folder`, which must be empty. Raises CommandFailed if it cannot even be started."""
    began = time.monotonic()
    orders = FaultPlan(folder=str(folder), seed=case.seed, bucket_faults=case.bucket_faults)
    photos = small_photos(case.images, folder / "photos", case.seed)
    events = drawn(case.seed, case.images)
    world = Environment(folder / "data", orders, network_faults=case.network_faults, most_tasks=case.most_tasks)
    with world:
        with closing(world.logged_in()) as client:
            for name, (width, height) in DEVICES.items():
                _save_device(client, name, width, height)
        uploads = Uploads(world, photos)
        _break(world, events, uploads)
        orders.become_calm()
        _wait_for_the_end(world, uploads, case)
        world.stop_backend()
        executions = len(world.jobs.model.executions)
    database = world.data / "slideshow.db"
    suspects = int(rows(database, "SELECT count(*) FROM images WHERE attempts > 1")[0][0])
    verdict = judge(world.data, uploads.good, uploads.bad, len(DEVICES))
    if uploads.faults or len(uploads.good | uploads.bad) != case.images:
        raise CommandFailed("; ".join(uploads.faults) or "some uploads did not end")
    return Result(
        case=case,
        verdict=verdict,
        events=events,
        executions=executions,
        network=dict(world.proxy.met),
        suspects=suspects,
        seconds=time.monotonic() - began,
    )


def _save_device(client: httpx.Client, name: str, width: int, height: int) -> None:
    for _ in range(20):  # its record goes into the bucket first, which may refuse it
        answer = client.post("/api/devices", json={"name": name, "width": width, "height": height, "pairing": False})
        if answer.status_code == 200:
            return
    raise CommandFailed(f"the device {name} could not be saved: {answer.text}")


def _finished(world: Environment) -> int:
    done = "SELECT count(*) FROM images WHERE processing_status IN ('complete', 'failed')"
    return int(rows(world.data / "slideshow.db", done)[0][0])


def _break(world: Environment, events: tuple[Event, ...], uploads: Uploads) -> None:
    """Let each event happen when it is due, or when nothing moves."""
    before, moved = -1, time.monotonic()
    waiting = list(events)
    while waiting:
        done = _finished(world)
        if done != before:
            before, moved = done, time.monotonic()
        if done >= waiting[0].after or time.monotonic() - moved > QUIET_SECONDS:
            _happen(world, waiting.pop(0))
            moved = time.monotonic()
        time.sleep(0.05)


def _happen(world: Environment, event: Event) -> None:
    match event.kind:
        case "kill task":
            world.kill_task(event.number)
        case "kill backend":
            world.kill_backend()
            world.start_backend()
        case "clock":
            world.orders.set_clock(event.offset)
        case "start lost":
            world.jobs.model.faults.append(Fault("RunJob", LOST))
        case "start refused":
            world.jobs.model.faults.append(Fault("RunJob", "UNAVAILABLE"))


def _wait_for_the_end(world: Environment, uploads: Uploads, case: Case) -> None:
    """Until every photo is complete or failed, every execution has ended, and records and sidecars are where they
    belong; or until nothing moves any more."""
    began = moved = time.monotonic()
    database, before = world.data / "slideshow.db", (-1, -1)
    left = (
        "SELECT (SELECT count(*) FROM images WHERE processing_status IN ('pending', 'processing')) "
        "+ (SELECT count(*) FROM executions WHERE finished_at IS NULL) "
        "+ (SELECT count(*) FROM images WHERE revision > recorded)"
    )
    while time.monotonic() < min(moved + case.still_seconds, began + case.end_seconds):
        sidecars = len(list((world.data / "bucket/images/metadata").glob("*.json")))
        now = (int(rows(database, left)[0][0]), sidecars)
        if now == (0, 0) and not uploads.running:
            return
        if now != before:
            before, moved = now, time.monotonic()
        time.sleep(0.2)
