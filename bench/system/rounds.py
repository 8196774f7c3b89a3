"""One measured run of the whole system: upload, queue, tasks, results; and what came of it as figures."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.system import processes
from bench.system.backend import HELD_BACK, ROOT, MeasuredBackend, Sent
from bench.system.instruments import Instruments
from bench.system.serve import QueryTime, read_queries
from bench.system.stages import Span, read_spans
from contract.messages.processing import Device
from slideshow.errors import CommandFailed
from slideshow.formatting import counted

WARM_UP_SECONDS = 120.0
TELL_SECONDS = 5.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, memory in MB (10^6 bytes); CPU of the backend and its tasks from the first upload on.

    `upload_s`: first upload to last one; `work_s`: to the last result, from the first upload, or where the
    backend was held back until all were there, from the flush. `spans` by task and `queries` are empty without
    instruments.
    """

    upload_s: float
    work_s: float
    began: float
    uploader_cpu_s: float
    upload_backend_cpu_s: float
    backend_cpu_s: float
    tasks_cpu_s: float
    task_peak_mb: float
    backend_peak_mb: float
    tasks: int
    stored_bytes: int
    sent_bytes: int
    points: tuple[processes.Point, ...] = ()
    spans: dict[str, list[Span]] = {}
    queries: dict[str, QueryTime] = {}

    @property
    def cpu_s(self) -> float:
        """Of everything that took part: backend, tasks and uploader."""
        return self.backend_cpu_s + self.tasks_cpu_s + self.uploader_cpu_s


def silent(_: str) -> None:
    """Tell nobody how far a round is."""


def paced(
    tell: Callable[[str], None], total: int, what: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[int], None]:
    """Tells how many of `total` photos are `what`, every few seconds and at the end."""
    told_at = clock()

    def told(done: int) -> None:
        nonlocal told_at
        if done >= total or clock() - told_at >= TELL_SECONDS:
            told_at = clock()
            tell(f"{done} of {counted(total, 'photo')} {what}")

    return told


def warm_up() -> None:
    """Compile whatever kernel is not there yet, so that no measured task has to. Raises CommandFailed."""
    command = [sys.executable, "-m", "native.warm_up", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, timeout=WARM_UP_SECONDS, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"the kernels cannot be compiled here:\n{done.stderr}")


def run_round(
    folder: Path,
    photos: Sequence[Path],
    devices: Sequence[Device],
    *,
    settings: Mapping[str, str] | None = None,
    instruments: Callable[[Path], Instruments] | None = None,
    held_back: bool = False,
    sample: bool = False,
    tell: Callable[[str], None] = silent,
) -> Round:
    """Run it in `folder`, which is removed afterwards; `instruments` are made for the folder that they write into.

    `held_back`: tasks start when all photos are there, and not on the way. `sample`: memory over time.
    Raises CommandFailed where the system does not do its work.
    """
    given = instruments(folder) if instruments else None
    total = len(photos)
    try:
        backend = MeasuredBackend(
            folder / "data", settings={**(HELD_BACK if held_back else {}), **(settings or {})}, instruments=given
        )
        with backend:
            backend.add_devices(devices)
            before = backend.cpu_seconds()
            sampler = processes.Sampler(backend.pid, backend.complete)
            sent = backend.upload(photos, paced(tell, total, "sent"))
            uploaded = backend.cpu_seconds()
            begin = sent.ended if held_back else sent.began
            if held_back or total < int((settings or {}).get("BATCH_SIZE", "50")):
                backend.client.flush()
            if sample:
                with sampler:
                    backend.wait(total, paced(tell, total, "done"))
            else:
                backend.wait(total, paced(tell, total, "done"))
            found = _figures(backend, sent, begin, before, uploaded)
            found = msgspec.structs.replace(found, points=tuple(sampler.points))
        spans = read_spans(folder) if given and given.stages else {}
        queries = read_queries(folder) if given and given.queries else {}
        return msgspec.structs.replace(found, spans=spans, queries=queries)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _figures(backend: MeasuredBackend, sent: Sent, begin: float, before: float, uploaded: float) -> Round:
    tasks_cpu, task_peak, tasks = backend.tasks_used()
    return Round(
        upload_s=sent.ended - sent.began,
        work_s=backend.last_result() - begin,
        began=sent.began,
        uploader_cpu_s=sent.cpu_s,
        upload_backend_cpu_s=uploaded - before,
        backend_cpu_s=backend.cpu_seconds() - before,
        tasks_cpu_s=tasks_cpu,
        task_peak_mb=task_peak,
        backend_peak_mb=processes.peak_rss_mb(backend.pid),
        tasks=tasks,
        stored_bytes=backend.stored_bytes(),
        sent_bytes=sent.size,
    )
