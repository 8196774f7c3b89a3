"""The start of a task: from the start of its process to its first claimed image, by import and by kernel load.

Everything is warm: the files in the page cache, Python's byte code and the compiled kernels in theirs. The first
claim is taken from the backend's own record of it, so it counts what the process itself cannot see: the start of the
interpreter before the first line runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from bench.core.context import Context
from bench.core.results import CaseResult, Check, Sample, Series
from bench.system import processes
from bench.system.backend import HELD_BACK, ROOT, MeasuredBackend
from bench.system.kernels import KernelLoad
from bench.system.photos import small_photos
from bench.system.preconditions import whole_system
from slideshow.errors import CommandFailed
from slideshow.photos.screens import DEFAULT_SCREENS

NAME = "start"
SUMMARY = "process start to first claimed image, by import and by kernel load; nothing is compiled"

MAX_S = 0.8
STARTS_OF_A_ROUND = 5
TASK_SECONDS = 60.0
LISTED_IMPORTS = 12
_IMPORTS = (
    "import processor.__main__, contract.bucket.open, contract.bucket.disk, processor.backend_api.client, "
    "processor.task.loop"
)


class Start(NamedTuple):
    """One task, in seconds after its process was started: its first claim, its first result, its end; its CPU."""

    claimed_s: float
    result_s: float
    ended_s: float
    cpu_s: float


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Start tasks one after the other, each with one small photo to claim."""
    number = STARTS_OF_A_ROUND * context.rounds
    photos = small_photos(number + 1, context.scratch / "photos", context.seed)
    starts = []
    with MeasuredBackend(context.scratch / "data", settings={**HELD_BACK, "TICK_SECONDS": "0"}) as backend:
        backend.add_devices(DEFAULT_SCREENS)
        for place, photo in enumerate(photos):
            backend.upload([photo])
            found = start_task(backend, f"start-{place}")
            if place:  # the first brings everything into the caches
                context.say(f"start {place} of {number}: claimed after {found.claimed_s:.3f} s")
                starts.append(found)
    kernels = [load_kernels() for _ in range(STARTS_OF_A_ROUND)]
    load = min(kernels, key=lambda one: one.seconds)
    imports = import_times(_IMPORTS)
    claimed = statistics.median(start.claimed_s for start in starts)
    compiled = sum(one.compiled for one in kernels)
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
            Check(
                name="process start to first claim, warm caches",
                limit=f"at most {MAX_S:g} s",
                value=claimed,
                unit="s",
                holds=claimed <= MAX_S,
            ),
            Check(
                name="kernels compiled at a start",
                limit="0",
                value=float(compiled),
                unit="kernels",
                holds=not compiled,
            ),
        ),
        remarks=(
            "Rendering and kernels are loaded on a thread while the first claim is under way; imports by name are what "
            "the claim waits for, each with what it imports itself, as `python -X importtime` counts it.",
        ),
    )


def start_task(backend: MeasuredBackend, execution: str) -> Start:
    """Run one task against the backend until it ends by itself. Raises CommandFailed if it fails or claims nothing."""
    secrets = msgspec.json.decode((backend.data / "secrets.json").read_bytes())
    environment = task_environment(backend, secrets["processor_token"], execution)
    before = processes.ended_children_cpu()
    began = time.time()
    task = subprocess.Popen(
        [sys.executable, "-m", "processor"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        said = task.communicate(timeout=TASK_SECONDS)[1]
    finally:
        task.kill()
        task.wait()
    ended = time.time()
    rows = backend.sql("SELECT claimed_at, rendered_at FROM images WHERE lease_owner = ?", f"{execution}/0")
    if task.returncode or len(rows) != 1 or rows[0][1] is None:
        raise CommandFailed(f"a task that should have rendered one photo ended with {task.returncode}:\n{said}")
    ((claimed, rendered),) = rows
    return Start(claimed - began, rendered - began, ended - began, processes.ended_children_cpu() - before)


def task_environment(backend: MeasuredBackend, token: str, execution: str) -> Mapping[str, str]:
    """The variables of a task that is started by hand."""
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
    """What a fresh process needs to import rendering and to load its kernels. Raises CommandFailed."""
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
    """The slowest top-level packages of a statement's imports, in seconds with all they import themselves."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TASK_SECONDS,
        check=True,
    )
    return slowest_packages(done.stderr.splitlines(), LISTED_IMPORTS)


def slowest_packages(lines: Iterable[str], most: int) -> dict[str, float]:
    """From the lines of `-X importtime`, `self [us] | cumulative | package`: the slowest packages, slowest first.

    Of each package only its outermost import counts: its modules are part of it.
    """
    found: dict[str, float] = {}
    for line in lines:
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit():
            name = parts[2].strip()
            if "." not in name:
                found[name] = max(found.get(name, 0.0), int(parts[1]) / 1e6)
    return dict(sorted(found.items(), key=lambda entry: -entry[1])[:most])
