"""`python -m emulators.latency PHOTO...`: what the way to the bucket costs a task.

One task renders the same photos twice, with the bucket on disk and with the imitated Google Cloud Storage at a
distance, each on an empty backend; rounds take turns. The imitation runs on the same CPUs as the task, so
the time that it used is subtracted: all of it, divided by the CPUs, since it ran beside the task.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from msgspec import Struct

from contract.machine import free_port, usable_cpus
from emulators.cloud_storage.server import GcsProcess, gcs_process

TOKEN, PASSWORD, BUCKET = "a-token-of-the-bench", "a-password-of-the-bench", "photos"
SCREENS = {"kitchen": (800, 480), "hall": (1024, 600), "desk": (1280, 800), "wall": (1920, 1080), "tall": (600, 1024)}
START_SECONDS = 60.0
TASK_SECONDS = 600.0
SOI = b"\xff\xd8"


class Round(Struct, frozen=True, kw_only=True):
    """One task's run, in seconds: from its start to its end, its CPU time, and that of the imitated bucket."""

    wall: float
    task_cpu: float
    bucket_cpu: float

    @property
    def subtracted(self) -> float:
        """The wall time without the share that the imitation took of these CPUs."""
        return self.wall - self.bucket_cpu / usable_cpus()


def different(photo: bytes, number: int) -> bytes:
    """The same JPEG as another file: with a comment segment of two bytes (ITU-T T.81, B.2.4.5)."""
    if not photo.startswith(SOI):
        raise ValueError("only JPEG photos can be multiplied")
    return SOI + b"\xff\xfe\x00\x04" + number.to_bytes(2, "big") + photo[2:]


@contextlib.contextmanager
def backend(folder: Path, environ: dict[str, str]) -> Iterator[httpx.Client]:
    """A backend on an empty folder; a client that is logged in."""
    port = free_port()
    settings = {
        "SLIDESHOW_DATA": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'slideshow.db'}",
        "PROCESSOR_AUTH_TOKEN": TOKEN,
        "ADMIN_PASSWORD": PASSWORD,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "TICK_SECONDS": "0",
        "BATCH_SIZE": "100000",
        "FLUSH_DELAY_SECONDS": "100000",
    }
    with (folder / "backend.log").open("wb") as log:
        command = [sys.executable, "-m", "backend"]
        process = subprocess.Popen(command, env={**os.environ, **settings, **environ}, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            deadline = time.monotonic() + START_SECONDS
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/_ready").status_code == 200:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the backend does not answer: {(folder / 'backend.log').read_text()[-2000:]}")
                time.sleep(0.05)
            client.post("/login", json={"password": PASSWORD}).raise_for_status()
            yield client
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def measure(photos: list[bytes], environ: dict[str, str], imitation: GcsProcess | None) -> Round:
    """Upload the photos and let one task render them. Raises RuntimeError unless all are complete."""
    with tempfile.TemporaryDirectory() as name, backend(Path(name), environ) as client:
        for device, (width, height) in SCREENS.items():
            body = {"name": device, "width": width, "height": height}
            client.post("/api/devices", json=body).raise_for_status()
        for number, photo in enumerate(photos):
            client.post("/api/admin/upload", files={"file": (f"{number}.jpg", photo)}).raise_for_status()
        settings = {"BACKEND_API_URL": str(client.base_url), "BACKEND_AUTH_TOKEN": TOKEN, **environ}
        settings |= {"RENDER_THREADS": "2", "SLIDESHOW_LOCAL_TASK": "1", "MEMORY_LIMIT_MIB": "2048"}
        bucket_before = imitation.cpu_seconds if imitation else 0.0
        before = os.times()
        began = time.monotonic()
        task = subprocess.run(
            [sys.executable, "-m", "processor"],
            env={**os.environ, **settings},
            stderr=subprocess.PIPE,
            text=True,
            timeout=TASK_SECONDS,
            check=False,
        )
        wall, after = time.monotonic() - began, os.times()
        bucket_cpu = imitation.cpu_seconds - bucket_before if imitation else 0.0
        if task.returncode or f"complete={len(photos)}" not in task.stderr:
            raise RuntimeError(f"the task did not complete all: {task.stderr[-2000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Round(wall=wall, task_cpu=cpu, bucket_cpu=bucket_cpu)


def main() -> None:
    """Measure, print each round, and end with the medians and their ratio as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path, help="JPEG photos, taken in turn")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.03, help="seconds for each request")
    parser.add_argument("--rate", type=float, default=50e6, help="bytes a second in each direction")
    given = parser.parse_args()
    sources = [path.read_bytes() for path in given.photos]
    photos = [different(sources[number % len(sources)], number) for number in range(given.count)]
    rounds: dict[str, list[Round]] = {"disk": [], "distant": []}
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds["disk"].append(measure(photos, {"BUCKET_URL": Path(folder).as_uri()}, None))
        with gcs_process(BUCKET, latency=given.latency, rate=given.rate) as imitation:
            environ = {"BUCKET_URL": f"gs://{BUCKET}", "STORAGE_EMULATOR_HOST": imitation.url}
            rounds["distant"].append(measure(photos, environ, imitation))
        for kind, done in rounds.items():
            print(number + 1, kind, *(f"{field} {value:.2f} s" for field, value in _figures(done[-1])))  # noqa: T201
    disk, distant = (statistics.median(one.subtracted for one in rounds[kind]) for kind in ("disk", "distant"))
    told = {"photos": given.count, "disk_s": disk, "distant_s": distant, "ratio": distant / disk}
    print(json.dumps({key: round(value, 3) for key, value in told.items()}))  # noqa: T201


def _figures(one: Round) -> list[tuple[str, float]]:
    return [
        ("wall", one.wall),
        ("without the bucket's CPU", one.subtracted),
        ("task CPU", one.task_cpu),
        ("bucket CPU", one.bucket_cpu),
    ]


if __name__ == "__main__":
    main()
