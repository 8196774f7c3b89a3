"""One measured round of the whole system: upload, queue, tasks, results."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.core.measure import peak_rss_mb
from bench.core.results import CaseFailed, CaseResult
from bench.core.runner import Context
from bench.core.samples import NoSamples
from bench.system import processes
from bench.system.backend import HELD_BACK, ROOT, MeasuredBackend, Sent
from bench.system.instruments import Instruments
from bench.system.serve import QueryTime, read_queries
from bench.system.stages import Span, read_spans
from contract.messages.processing import Device
from slideshow.errors import CommandFailed
from slideshow.output import counted

WARM_UP_SECONDS = 120.0
PROGRESS_SECONDS = 5.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a round. Times in seconds, memory in MB (10^6 bytes), CPU time since the first upload.

    Attributes:
        upload_s: From the first upload to the last one.
        work_s: To the last result, from the first upload, or from the last one if the tasks were held back.
        began: Time of the first upload, in seconds since the epoch.
        points: Memory samples.
        spans: Spans of stages by task; empty without instruments.
        queries: Costs by query; empty without instruments.
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
        """CPU seconds of backend, tasks and uploader."""
        return self.backend_cpu_s + self.tasks_cpu_s + self.uploader_cpu_s


def silent(_: str) -> None:
    """Ignore progress."""


def paced(
    tell: Callable[[str], None], total: int, what: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[int], None]:
    """Return a function that reports how many of `total` photos are `what`, every few seconds and at the end."""
    reported_at = clock()

    def report(done: int) -> None:
        nonlocal reported_at
        if done >= total or clock() - reported_at >= PROGRESS_SECONDS:
            reported_at = clock()
            tell(f"{done} of {counted(total, 'photo')} {what}")

    return report


def warm_up() -> None:
    """Compile missing kernels, so that no measured task has to. Raises CommandFailed."""
    command = [sys.executable, "-m", "native.warm_up", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, timeout=WARM_UP_SECONDS, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"the kernels cannot be compiled:\n{done.stderr}")


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
    """Run one round.

    Args:
        folder: A folder for the round, which is removed afterwards.
        photos: The photos to upload.
        devices: The devices to render for.
        settings: Settings of the backend.
        instruments: Returns the instruments that write into the folder.
        held_back: Start tasks only after all uploads.
        sample: Sample the memory over time.
        tell: Receives lines of progress.

    Raises:
        CommandFailed: The system failed.
    """
    active = instruments(folder) if instruments else None
    total = len(photos)
    try:
        backend = MeasuredBackend(
            folder / "data", settings={**(HELD_BACK if held_back else {}), **(settings or {})}, instruments=active
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
            result = _figures(backend, sent, begin, before, uploaded)
        spans = read_spans(folder) if active and active.stages else {}
        queries = read_queries(folder) if active and active.queries else {}
        return msgspec.structs.replace(result, points=tuple(sampler.points), spans=spans, queries=queries)
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
        backend_peak_mb=peak_rss_mb(backend.pid),
        tasks=tasks,
        stored_bytes=backend.stored_bytes(),
        sent_bytes=sent.size,
    )


Run = Callable[[Context], CaseResult]


def whole_system(name: str) -> Callable[[Run], Run]:
    """Decorate the `run` of a case that measures the whole system.

    Without /proc, the result lists the case as missing. Otherwise kernels are compiled first, and errors are raised as
    CaseFailed.
    """

    def decorate(run: Run) -> Run:
        @functools.wraps(run)
        def wrapper(context: Context) -> CaseResult:
            if not processes.available():
                return CaseResult(case=name, missing=(f"{name}: {processes.NEEDS}",))
            try:
                warm_up()
                return run(context)
            except (CommandFailed, NoSamples) as error:
                raise CaseFailed(str(error)) from error

        return wrapper

    return decorate
