"""Load test: `python -m tests.load`. Reports errors, lost photos, memory and latencies of 32 connections.

Twelve connections upload photos of 3 MB, ten claim and report like tasks, and ten poll like frames.
The exit code is 1 if a call failed, if an acknowledged photo or result is missing, or if memory grew.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

import click
import httpx
import numpy as np

from bench.system import processes
from bench.system.backend import HELD_BACK, MeasuredBackend
from contract.messages.devices import DeviceBody
from tests.load.callers import Caller, Frame, Measurements, Task, Uploader

UPLOADERS, TASKS, FRAMES = 12, 10, 10
PHOTO_BYTES = 3_000_000
GROWTH = 1.10
"""Maximum ratio of the memory in the last quarter to that in the second, when all caches are filled."""
SLACK_MB = 8.0


def photo_of(size: int) -> bytes:
    """Return a JPEG of about `size` bytes."""
    import simplejpeg

    random = np.random.default_rng(0)
    side = int((size / 1.47) ** 0.5)  # bytes per pixel of noise at this quality
    noise = random.integers(0, 256, (side, side * 4 // 3, 3), np.uint8)
    photo: bytes = simplejpeg.encode_jpeg(noise, quality=85, colorsubsampling="420")
    return photo


@click.command()
@click.option("--seconds", type=click.FloatRange(2, 3600), default=60.0, show_default=True)
def main(seconds: float) -> None:
    """Run all callers concurrently, and report the results."""
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        lines = measure(Path(folder) / "data", seconds)
    for line in lines:
        click.echo(line)
    sys.exit(1 if any(line.startswith("WRONG") for line in lines) else 0)


def measure(data: Path, seconds: float) -> list[str]:
    """Run the load test and return the lines of its report; lines about errors begin with WRONG."""
    measurements = Measurements()
    memory: list[float] = []
    with MeasuredBackend(data, settings=HELD_BACK) as backend:
        callers = _callers(backend, measurements)
        threads = [threading.Thread(target=caller.run, daemon=True) for caller in callers]
        cpu = backend.cpu_seconds()
        began = time.monotonic()
        for caller in callers:
            caller.until = began + seconds
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append(processes.rss_mb(backend.pid))
            time.sleep(0.5)
        elapsed, cpu = time.monotonic() - began, backend.cpu_seconds() - cpu
        lost = _lost(backend, measurements)
    lines = [
        f"{len(callers)} connections for {elapsed:.0f} s: "
        f"{len(measurements.photos)} photos of {PHOTO_BYTES / 1e6:g} MB uploaded, "
        f"{len(measurements.results)} rendered; the backend used {cpu:.1f} CPU s"
    ]
    for kind, times in sorted(measurements.seconds.items()):
        p50, p99 = np.percentile(times, [50, 99]) * 1000
        lines.append(
            f"{kind:8} {len(times):6} calls, {len(times) / elapsed:7.1f} per second, "
            f"p50 {p50:7.1f} ms, p99 {p99:7.1f} ms"
        )
    quarter = max(1, len(memory) // 4)
    before, after = float(np.median(memory[quarter : 2 * quarter] or memory)), float(np.median(memory[-quarter:]))
    lines.append(
        f"memory   {before:.0f} MB in the second quarter, {after:.0f} MB in the last, {max(memory):.0f} MB at most"
    )
    if after > before * GROWTH + SLACK_MB:
        lines.append("WRONG: memory grew")
    lines += [f"WRONG: {error}" for error in measurements.errors[:10]]
    if len(measurements.errors) > 10:
        lines.append(f"WRONG: and {len(measurements.errors) - 10} more")
    lines += [f"WRONG: {entry}" for entry in lost[:10]]
    lines.append(f"{len(measurements.errors)} errors, {len(lost)} photos or results lost")
    return lines


def _callers(backend: MeasuredBackend, measurements: Measurements) -> list[Caller]:
    from backend.embedded import load_secrets

    secrets = load_secrets(backend.data)
    with httpx.Client(base_url=backend.url, trust_env=False) as client:
        client.post("/login", json={"password": secrets.admin_password}).raise_for_status()
        session = client.cookies["session_id"]
    photo = photo_of(PHOTO_BYTES)
    callers: list[Caller] = [
        Uploader(backend.url, measurements, session, photo, f"person-{number}") for number in range(UPLOADERS)
    ]
    for number in range(TASKS):
        callers.append(
            Task(backend.url, measurements, secrets.processor_token, backend.data / "bucket", f"load/{number}")
        )
    for number in range(FRAMES):
        name = f"frame {number}"
        body = DeviceBody(name=name, width=800, height=480, pairing=False)
        callers.append(Frame(backend.url, measurements, str(backend.client.save_device(body).token), name))
    return callers


def _lost(backend: MeasuredBackend, measurements: Measurements) -> list[str]:
    """Return a message for each acknowledged photo or result that is missing."""
    states = dict(backend.sql("SELECT id, processing_status FROM images"))
    originals = {path.name.partition(".")[0] for path in (backend.data / "bucket/images/originals").iterdir()}
    lost = [f"photo {photo} is missing" for photo in sorted(measurements.photos - (states.keys() & originals))]
    return lost + [
        f"photo {photo} was reported and is {states.get(photo)}"
        for photo in sorted(measurements.results)
        if states.get(photo) != "complete"
    ]


if __name__ == "__main__":
    main()
