"""The start of a task: from the start of its process to its first claimed image, with imports and kernel load.

All caches are warm: page cache, Python byte code and compiled kernels. The time of the first claim is read from the
backend's database, so that it includes the start of the interpreter.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from bench.core.results import CaseResult, Check, Sample, Series, at_most
from bench.core.runner import Context
from bench.system import processes
from bench.system.backend import HELD_BACK, ROOT, MeasuredBackend
from bench.system.kernels import KernelLoad
from bench.system.photos import small_photos
from bench.system.rounds import whole_system
from slideshow.errors import CommandFailed
from slideshow.photos.screens import DEFAULT_SCREENS

NAME = "start"
SUMMARY = "time from process start to first claimed image, imports and kernel load; nothing is compiled"

MAX_S = 0.8
STARTS_OF_A_ROUND = 5
TASK_SECONDS = 60.0
LISTED_IMPORTS = 12
_IMPORTS = (
    "import processor.__main__, contract.bucket.open, contract.bucket.disk, processor.backend_api.client, "
    "processor.task.loop"
)


class Start(NamedTuple):
    """Times of a task in seconds after the start of its process, and its CPU seconds."""

    claimed_s: float
    result_s: float
    ended_s: float
    cpu_s: float


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Start tasks one after the other, each with one small photo."""
    number = STARTS_OF_A_ROUND * context.rounds
    photos = small_photos(number + 1, context.scratch / "photos", context.seed)
    starts = []
    with MeasuredBackend(context.scratch / "data", settings={**HELD_BACK, "TICK_SECONDS": "0"}) as backend:
        backend.add_devices(DEFAULT_SCREENS)
        for index, photo in enumerate(photos):
            backend.upload([photo])
            task = start_task(backend, f"start-{index}")
            if index:  # the first start fills the caches
                context.report(f"start {index} of {number}: claimed after {task.claimed_s:.3f} s")
                starts.append(task)
    kernels = [load_kernels() for _ in range(STARTS_OF_A_ROUND)]
    load = min(kernels, key=lambda each: each.seconds)
    imports = import_times(_IMPORTS)
    claimed = statistics.median(start.claimed_s for start in starts)
    compiled = sum(each.compiled for each in kernels)
    return CaseResult(
        case=NAME,
        series=(
            Series(
                contender="ours",
                subject="one small photo",
                samples=tuple(
                    Sample(
                        cpu_s=start.cpu_s,
                        wall_s=start.claimed_s,
                        extra={"first_result_s": start.result_s, "ended_s": start.ended_s},
                    )
                    for start in starts
                ),
            ),
        ),
        facts={
            "first_claim_s": claimed,
            "first_result_s": statistics.median(start.result_s for start in starts),
            "cpu_of_a_task_with_one_photo_s": statistics.median(start.cpu_s for start in starts),
            "import_of_rendering_s": load.import_s,
            "kernel_load_s": load.seconds,
            "kernels_compiled": float(compiled),
            **{f"kernel_{name}_s": seconds for name, seconds in load.kernels.items()},
            **{f"import_{name}_s": seconds for name, seconds in imports.items()},
        },
        checks=(
            at_most("process start to first claim, warm caches", claimed, MAX_S, "s"),
            Check(
                name="kernels compiled at a start",
                limit="0",
                value=float(compiled),
                unit="kernels",
                holds=not compiled,
            ),
        ),
        remarks=(
            "Rendering and kernels are loaded on a thread during the first claim. The listed imports are those that "
            "the claim waits for, each with its own imports, as `python -X importtime` counts them.",
        ),
    )


def start_task(backend: MeasuredBackend, execution: str) -> Start:
    """Run one task until it ends by itself. Raises CommandFailed if it fails or renders nothing."""
    secrets = msgspec.json.decode((backend.data / "secrets.json").read_bytes())
    environment = task_environment(backend, secrets["processor_token"], execution)
    before = processes.ended_children_cpu()
    began = time.time()
    task = subprocess.Popen(
        [sys.executable, "-m", "processor"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        errors = task.communicate(timeout=TASK_SECONDS)[1]
    finally:
        task.kill()
        task.wait()
    ended = time.time()
    rows = backend.sql("SELECT claimed_at, rendered_at FROM images WHERE lease_owner = ?", f"{execution}/0")
    if task.returncode or len(rows) != 1 or rows[0][1] is None:
        raise CommandFailed(
            f"a task that should have rendered one photo ended with exit code {task.returncode}:\n{errors}"
        )
    ((claimed, rendered),) = rows
    return Start(claimed - began, rendered - began, ended - began, processes.ended_children_cpu() - before)


def task_environment(backend: MeasuredBackend, token: str, execution: str) -> Mapping[str, str]:
    """Return the environment variables of a task."""
    return {
        **backend.inherited(),
        "BUCKET_URL": (backend.data / "bucket").absolute().as_uri(),
        "BACKEND_API_URL": backend.url,
        "BACKEND_AUTH_TOKEN": token,
        "CLOUD_RUN_EXECUTION": execution,
        "SLIDESHOW_LOCAL_TASK": "1",
        "RENDER_THREADS": "1",
    }


def load_kernels() -> KernelLoad:
    """Measure in a new process how long imports and kernel load take. Raises CommandFailed."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.system.kernels"],
        cwd=ROOT,
        capture_output=True,
        timeout=TASK_SECONDS,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"rendering could not be loaded:\n{done.stderr.decode(errors='replace')}")
    return msgspec.json.decode(done.stdout, type=KernelLoad)


def import_times(statement: str) -> dict[str, float]:
    """Return the slowest top-level packages that a statement imports, in seconds including their own imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TASK_SECONDS,
        check=True,
    )
    return slowest_packages(done.stderr.splitlines(), LISTED_IMPORTS)


def slowest_packages(lines: Iterable[str], limit: int) -> dict[str, float]:
    """Return the slowest packages first, from the lines `self [us] | cumulative | package` of `-X importtime`.

    Only the outermost import of a package counts, because it includes the modules of the package.
    """
    packages: dict[str, float] = {}
    for line in lines:
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit():
            name = parts[2].strip()
            if "." not in name:
                packages[name] = max(packages.get(name, 0.0), int(parts[1]) / 1e6)
    return dict(sorted(packages.items(), key=lambda entry: -entry[1])[:limit])
