"""One run: photos are uploaded, rendered and reported under faults; then a quiet phase and the checks follow."""

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
from tests.faults.checks import CheckResult, rows, run_checks
from tests.faults.environment import Environment
from tests.faults.events import Event, draw_events
from tests.faults.fault_plan import FaultPlan
from tests.faults.progress import FromDatabase, FromStatus, Progress

DEVICES = {"wide": (160, 96), "tall": (96, 160)}
UPLOADERS = 2
BAD_SHARE = 25
"""Every 25th photo is truncated; it must fail with an error message."""
STALL_SECONDS = 3.0
"""The next event happens early if no photo finishes for this time."""
UPLOAD_SECONDS = 180.0
PAUSE_SECONDS = 0.2


class Case(Struct, frozen=True, kw_only=True):
    """Parameters of a run; `bucket_faults` and `network_faults` are probabilities per call.

    In the quiet phase, work is stuck if nothing changed for `still_seconds`, or if it is not finished after
    `end_seconds`. With `fleeting` the database does not outlive its backend, and second backends are killed.
    """

    seed: int
    images: int = 300
    fleeting: bool = False
    max_tasks: int = 8
    bucket_faults: float = 0.03
    network_faults: float = 0.08
    still_seconds: float = 180.0
    end_seconds: float = 900.0


class Result(Struct, frozen=True, kw_only=True):
    """Result of a run: the checks, and the number of injected faults."""

    case: Case
    checks: CheckResult
    events: tuple[Event, ...]
    executions: int
    network: dict[str, int]
    retried: int
    seconds: float

    def line(self) -> str:
        """Return the result in one line."""
        kinds = [event.kind for event in self.events]
        counted = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in sorted(set(kinds)))
        database = "fleeting" if self.case.fleeting else "durable"
        return (
            f"seed {self.case.seed}: {database}, {self.case.images} images, {self.executions} executions, {counted}, "
            f"{sum(self.network.values())} network faults; {self.checks.line()}; {self.seconds:.0f} s"
        )


class Uploads:
    """Uploads photos and repeats each until it is acknowledged; `good` and `bad` are the acknowledged ids."""

    def __init__(self, environment: Environment, photos: list[Path]) -> None:
        self._environment = environment
        self._photos = list(enumerate(photos))
        self._lock = threading.Lock()
        self.good: set[str] = set()
        self.bad: set[str] = set()
        self.errors: list[str] = []
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
                return self._environment.logged_in()
            except httpx.HTTPError:
                time.sleep(PAUSE_SECONDS)
        raise CommandFailed(f"no login succeeded within {UPLOAD_SECONDS:.0f} s")

    def _send(self, client: httpx.Client, name: str, data: bytes, *, bad: bool) -> None:
        reason = "no response"
        while time.monotonic() < self._deadline:
            try:
                response = client.post("/api/admin/upload", files={"file": (name, data)})
                if response.status_code in (200, 201):
                    with self._lock:
                        (self.bad if bad else self.good).add(response.json()["id"])
                    return
                reason = f"{response.status_code} {response.text[:200]}"
                if response.status_code == 401:  # the login was in no snapshot
                    client.post("/login", json={"password": self._environment.password()})
                elif response.status_code != 503:
                    break
            except httpx.HTTPError as error:
                reason = repr(error)
            time.sleep(PAUSE_SECONDS)
        self.errors.append(f"{name} was not accepted: {reason}")


def run(case: Case, folder: Path) -> Result:
    """Run a system under faults in the empty folder `folder`. Raises CommandFailed if the run itself fails."""
    began = time.monotonic()
    plan = FaultPlan(folder=str(folder), seed=case.seed, bucket_faults=case.bucket_faults)
    photos = small_photos(case.images, folder / "photos", case.seed)
    events = draw_events(case.seed, case.images, fleeting=case.fleeting)
    environment = Environment(
        folder / "data",
        plan,
        network_faults=case.network_faults,
        max_tasks=case.max_tasks,
        fleeting=case.fleeting,
    )
    progress: Progress = FromStatus(environment) if case.fleeting else FromDatabase(environment)
    with environment:
        with closing(environment.logged_in()) as client:
            for name, (width, height) in DEVICES.items():
                _save_device(client, name, width, height)
        uploads = Uploads(environment, photos)
        _inject(environment, progress, events)
        plan.begin_quiet_phase()
        _wait_for_the_end(environment, progress, uploads, case)
        environment.stop_backend()
        executions = len(environment.jobs.model.executions)
    database = environment.data / "slideshow.db"
    retried = int(rows(database, "SELECT count(*) FROM images WHERE attempts > 1")[0][0])
    checks = run_checks(environment.data, uploads.good, uploads.bad, len(DEVICES), fleeting=case.fleeting)
    if uploads.errors or len(uploads.good | uploads.bad) != case.images:
        raise CommandFailed("; ".join(uploads.errors) or "some uploads did not end")
    return Result(
        case=case,
        checks=checks,
        events=events,
        executions=executions,
        network=dict(environment.proxy.injected),
        retried=retried,
        seconds=time.monotonic() - began,
    )


def _save_device(client: httpx.Client, name: str, width: int, height: int) -> None:
    for _ in range(20):  # its record is written to the bucket first, which may fail
        response = client.post("/api/devices", json={"name": name, "width": width, "height": height, "pairing": False})
        if response.status_code == 200:
            return
    raise CommandFailed(f"the device {name} could not be saved: {response.text}")


def _inject(environment: Environment, progress: Progress, events: tuple[Event, ...]) -> None:
    """Trigger each event when it is due, or when no photo finishes for `STALL_SECONDS`."""
    before, changed = -1, time.monotonic()
    waiting = list(events)
    while waiting:
        done = progress.finished()
        if done != before:
            before, changed = done, time.monotonic()
        if done >= waiting[0].after or time.monotonic() - changed > STALL_SECONDS:
            _trigger(environment, waiting.pop(0))
            changed = time.monotonic()
        time.sleep(0.05)


def _trigger(environment: Environment, event: Event) -> None:
    match event.kind:
        case "kill task":
            environment.kill_task(event.number)
        case "kill backend":
            environment.kill_backend()
            environment.start_backend()
        case "kill second backend":
            environment.kill_second_backend()
        case "clock":
            environment.plan.set_clock(event.offset)
        case "start lost":
            environment.jobs.model.faults.append(Fault("RunJob", LOST))
        case "start rejected":
            environment.jobs.model.faults.append(Fault("RunJob", "UNAVAILABLE"))


def _wait_for_the_end(environment: Environment, progress: Progress, uploads: Uploads, case: Case) -> None:
    """Wait until all work is finished, or until nothing changes any more.

    Finished means: every photo is complete or failed, every execution has ended, every record is written, and every
    sidecar is archived.
    """
    began = changed = time.monotonic()
    before = (-1, -1)
    while time.monotonic() < min(changed + case.still_seconds, began + case.end_seconds):
        sidecars = len(list((environment.data / "bucket/images/metadata").glob("*.json")))
        now = (progress.left(), sidecars)
        if now != before:
            before, changed = now, time.monotonic()
        if now == (0, 0) and not uploads.running and time.monotonic() - changed >= progress.settle_seconds:
            return
        time.sleep(0.2)
