"""Measure the cost of the distance to the bucket for a task: `python -m emulators.latency PHOTO...`.

One task renders the same photos twice: with a bucket on disk, and with a distant emulated Cloud Storage.
Each run has an empty backend, and the rounds alternate.
The emulator runs on the same CPUs as the task and in parallel with it, so its CPU time, divided by the number of CPUs,
is subtracted.
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

TOKEN, PASSWORD, BUCKET = "a-token-of-the-bench-of-32-letters", "a-password-of-the-bench", "photos"
SCREENS = {"kitchen": (800, 480), "hall": (1024, 600), "desk": (1280, 800), "wall": (1920, 1080), "tall": (600, 1024)}
START_SECONDS = 60.0
TASK_SECONDS = 600.0
SOI = b"\xff\xd8"


class Round(Struct, frozen=True, kw_only=True):
    """One task's run, in seconds: wall time, CPU time of the task, and CPU time of the emulator."""

    wall: float
    task_cpu: float
    bucket_cpu: float

    @property
    def subtracted(self) -> float:
        """Wall time without the emulator's share of the CPUs."""
        return self.wall - self.bucket_cpu / usable_cpus()


def different(photo: bytes, number: int) -> bytes:
    """Return the same JPEG as a different file, with a comment segment of two bytes (ITU-T T.81, B.2.4.5)."""
    if not photo.startswith(SOI):
        raise ValueError("the photo is not a JPEG file; pass JPEG photos only")
    return SOI + b"\xff\xfe\x00\x04" + number.to_bytes(2, "big") + photo[2:]


@contextlib.contextmanager
def backend(folder: Path, environ: dict[str, str]) -> Iterator[httpx.Client]:
    """Run a backend on an empty folder within a block; yield a client that is logged in."""
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
                    raise RuntimeError(f"the backend did not start: {(folder / 'backend.log').read_text()[-2000:]}")
                time.sleep(0.05)
            client.post("/login", json={"password": PASSWORD}).raise_for_status()
            yield client
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def measure(photos: list[bytes], environ: dict[str, str], emulator: GcsProcess | None) -> Round:
    """Upload the photos and let one task render them. Raises RuntimeError if one is not complete."""
    with tempfile.TemporaryDirectory() as name, backend(Path(name), environ) as client:
        for device, (width, height) in SCREENS.items():
            body = {"name": device, "width": width, "height": height}
            client.post("/api/devices", json=body).raise_for_status()
        for number, photo in enumerate(photos):
            client.post("/api/admin/upload", files={"file": (f"{number}.jpg", photo)}).raise_for_status()
        settings = {"BACKEND_API_URL": str(client.base_url), "BACKEND_AUTH_TOKEN": TOKEN, **environ}
        settings |= {"RENDER_THREADS": "2", "SLIDESHOW_LOCAL_TASK": "1", "MEMORY_LIMIT_MIB": "2048"}
        bucket_before = emulator.cpu_seconds if emulator else 0.0
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
        bucket_cpu = emulator.cpu_seconds - bucket_before if emulator else 0.0
        if task.returncode or f"complete={len(photos)}" not in task.stderr:
            raise RuntimeError(f"the task did not complete all photos: {task.stderr[-2000:]}")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Round(wall=wall, task_cpu=cpu, bucket_cpu=bucket_cpu)


def main() -> None:
    """Measure, print each round, and finally the medians and their ratio as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path, help="JPEG photos, used in turn")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.03, help="seconds per request")
    parser.add_argument("--rate", type=float, default=50e6, help="bytes per second in each direction")
    options = parser.parse_args()
    sources = [path.read_bytes() for path in options.photos]
    photos = [different(sources[number % len(sources)], number) for number in range(options.count)]
    rounds: dict[str, list[Round]] = {"disk": [], "distant": []}
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds["disk"].append(measure(photos, {"BUCKET_URL": Path(folder).as_uri()}, None))
        with gcs_process(BUCKET, latency=options.latency, rate=options.rate) as emulator:
            environ = {"BUCKET_URL": f"gs://{BUCKET}", "STORAGE_EMULATOR_HOST": emulator.url}
            rounds["distant"].append(measure(photos, environ, emulator))
        for kind, done in rounds.items():
            print(number + 1, kind, *(f"{field} {value:.2f} s" for field, value in _figures(done[-1])))  # noqa: T201
    disk, distant = (statistics.median(run.subtracted for run in rounds[kind]) for kind in ("disk", "distant"))
    summary = {"photos": options.count, "disk_s": disk, "distant_s": distant, "ratio": distant / disk}
    print(json.dumps({key: round(value, 3) for key, value in summary.items()}))  # noqa: T201


def _figures(run: Round) -> list[tuple[str, float]]:
    return [
        ("wall", run.wall),
        ("without the emulator's CPU", run.subtracted),
        ("task CPU", run.task_cpu),
        ("emulator CPU", run.bucket_cpu),
    ]


if __name__ == "__main__":
    main()
