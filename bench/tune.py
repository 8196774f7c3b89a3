"""`python -m bench tune`: find the best settings of a task for a number of CPUs and an amount of memory.

Real backends with real local tasks render the same photos with each setting. The settings alternate in every round, so
that a disturbance of the machine affects all of them. One setting is changed at a time, starting from the current ones.
Of the values within the memory limit that are as fast as the fastest one, that with the least memory is chosen.
"""

from __future__ import annotations

import ctypes.util
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.core import machine
from bench.core.results import Machine
from bench.core.runner import RESULTS, Context
from bench.core.samples import NoSamples, from_folder, generated
from bench.system import processes
from bench.system.instruments import Instruments
from bench.system.photos import LARGE_MEGAPIXELS, copies, nearest
from bench.system.rounds import Round, run_round, warm_up
from contract.machine import usable_cpus
from slideshow.errors import CommandFailed
from slideshow.photos.screens import DEFAULT_SCREENS

PHOTOS = 32
NOISE = 0.03
"""Settings that differ by less count as equal."""
TODAY = "as today"


class Setting(Struct, frozen=True, kw_only=True):
    """A value of one setting.

    Attributes:
        knob: The setting.
        value: Its value.
        environment: Variables of the task.
        threads: Images rendered at a time (0: as the processor chooses).
        read_ahead: Images claimed in addition to these (0: as the processor chooses).
    """

    knob: str
    value: str
    environment: dict[str, str] = {}
    threads: int = 0
    read_ahead: int = 0


class Measured(Struct, frozen=True, kw_only=True):
    """The rounds of a setting: wall and CPU seconds for all photos, peak memory of the task in MB."""

    setting: Setting
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_mb: tuple[float, ...]
    photos: int

    @property
    def wall(self) -> float:
        return statistics.median(self.wall_s)

    @property
    def cpu_ms_per_image(self) -> float:
        return statistics.median(self.cpu_s) * 1000 / self.photos

    @property
    def peak(self) -> float:
        return max(self.peak_mb)


class Tuning(Struct, frozen=True, kw_only=True):
    """The saved result of a tuning: machine, versions, measurements, and the chosen value of each setting."""

    started: str
    commit: str
    dirty: bool
    machine: Machine
    versions: dict[str, str]
    cpus: int
    memory_mb: int
    missing: tuple[str, ...]
    measured: tuple[Measured, ...]
    chosen: dict[str, str]


def settings(cpus: int) -> tuple[tuple[Setting, ...], tuple[str, ...]]:
    """Return the settings to compare, the simplest value of each first, and what is not installed."""
    candidates = [Setting(knob=TODAY, value="")]
    candidates += [
        Setting(knob="images in flight", value=str(n), threads=n) for n in sorted({1, cpus, cpus + 1, 2 * cpus})
    ]
    candidates += [
        Setting(knob="read-ahead", value=str(n), read_ahead=n) for n in sorted({1, 2, cpus + 2, 2 * cpus + 4})
    ]
    candidates += [
        Setting(knob="VIPS_CONCURRENCY", value=str(n), environment={"VIPS_CONCURRENCY": str(n)})
        for n in sorted({1, 2, cpus})
    ]
    candidates += [
        Setting(knob="allocator", value="glibc", environment={"MALLOC_ARENA_MAX": ""}),
        *(
            Setting(knob="allocator", value=f"glibc, {n} arenas", environment={"MALLOC_ARENA_MAX": str(n)})
            for n in sorted({1, 2, cpus + 1})
        ),
        Setting(
            knob="allocator",
            value="glibc, 2 arenas, trimmed at 64 MB",
            environment={"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "64000000"},
        ),
    ]
    library = ctypes.util.find_library("jemalloc")
    if library is None:
        return tuple(candidates), ("jemalloc: install it (on Debian: apt-get install libjemalloc2)",)
    candidates.append(Setting(knob="allocator", value="jemalloc", environment={"LD_PRELOAD": library}))
    return tuple(candidates), ()


def choose(measured: Sequence[Measured], memory_mb: int) -> dict[str, str]:
    """Return the chosen value of each setting: within the memory, the least memory of those as fast as the fastest."""
    chosen = {}
    for knob in dict.fromkeys(each.setting.knob for each in measured):
        fitting = [each for each in measured if each.setting.knob == knob and each.peak <= memory_mb]
        if knob == TODAY or not fitting:
            continue
        fastest = min(each.wall for each in fitting)
        equal = [each for each in fitting if each.wall <= fastest * (1 + NOISE)]
        chosen[knob] = min(equal, key=lambda each: round(each.peak / 10)).setting.value
    return chosen


def measure(context: Context, cpus: int) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """Measure every setting in every round. Return the measurements and what is not installed."""
    warm_up()
    photos = copies(nearest(context.photos, LARGE_MEGAPIXELS), PHOTOS, context.scratch / "photos")
    candidates, missing = settings(cpus)
    rounds_by_setting: list[list[Round]] = [[] for _ in candidates]
    for number in range(context.rounds):
        for index, candidate in enumerate(candidates):
            result = run_round(
                context.scratch / "round",
                photos,
                DEFAULT_SCREENS,
                settings={"LOCAL_TASKS": "1", "MAX_TASKS": "1"},
                instruments=_instruments(candidate, cpus),
                held_back=True,
            )
            rounds_by_setting[index].append(result)
            label = f"{candidate.knob} {candidate.value}".strip()
            context.report(
                f"round {number + 1} of {context.rounds}, {label}: {result.work_s:.2f} s, "
                f"{result.tasks_cpu_s:.2f} CPU s, {result.task_peak_mb:.0f} MB"
            )
    measured = tuple(
        Measured(
            setting=candidate,
            wall_s=tuple(result.work_s for result in rounds),
            cpu_s=tuple(result.tasks_cpu_s for result in rounds),
            peak_mb=tuple(result.task_peak_mb for result in rounds),
            photos=PHOTOS,
        )
        for candidate, rounds in zip(candidates, rounds_by_setting, strict=True)
    )
    return measured, missing


def _instruments(candidate: Setting, cpus: int) -> Callable[[Path], Instruments]:
    return lambda folder: Instruments(
        folder=str(folder),
        cpus=cpus,
        task_environment=candidate.environment,
        render_threads=candidate.threads or cpus,
        read_ahead=candidate.read_ahead,
    )


def tune(context: Context, cpus: int, memory_mb: int, started: str, folder: Path) -> Tuning:
    """Measure, choose, and write the result to `tune-<cpus>cpu.json` in `folder`."""
    measured, missing = measure(context, cpus)
    commit, dirty = machine.commit()
    tuning = Tuning(
        started=started,
        commit=commit,
        dirty=dirty,
        machine=machine.machine(),
        versions=machine.versions(),
        cpus=cpus,
        memory_mb=memory_mb,
        missing=missing,
        measured=measured,
        chosen=choose(measured, memory_mb),
    )
    folder.mkdir(parents=True, exist_ok=True)
    data = msgspec.json.format(msgspec.json.encode(tuning), indent=1) + b"\n"
    (folder / f"tune-{cpus}cpu.json").write_bytes(data)
    return tuning


def table(measured: Sequence[Measured], chosen: Mapping[str, str]) -> list[str]:
    """Return a table of all settings as lines of text. The chosen ones are marked."""
    lines = [f"{'':2}{'setting':18} {'value':34} {'wall s':>8} {'CPU ms/image':>13} {'peak MB':>8}"]
    for row in measured:
        knob, value = row.setting.knob, row.setting.value
        mark = "*" if chosen.get(knob) == value else ""
        lines.append(f"{mark:2}{knob:18} {value:34} {row.wall:8.2f} {row.cpu_ms_per_image:13.1f} {row.peak:8.0f}")
    return lines


def tune_here(cpus: int, memory_mb: int, samples: Path | None, rounds: int, report: Callable[[str], None]) -> list[str]:
    """Run the whole command, and return the lines of its output. Raises CommandFailed if it cannot measure."""
    if not processes.available():
        raise CommandFailed(f"tuning needs {processes.NEEDS}")
    if cpus > usable_cpus():
        raise CommandFailed(f"this process may use {usable_cpus()} CPUs, so {cpus} cannot be measured")
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    scratch = Path(tempfile.mkdtemp(prefix="bench-tune-"))
    try:
        photos = generated(report) if samples is None else from_folder(samples, report)
        context = Context(photos=photos, rounds=rounds, scratch=scratch, report=report)
        tuning = tune(context, cpus, memory_mb, started, RESULTS)
    except NoSamples as error:
        raise CommandFailed(str(error)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines = [*table(tuning.measured, tuning.chosen), *(f"missing: {sentence}" for sentence in tuning.missing)]
    return [*lines, "chosen: " + ", ".join(f"{knob} {value}" for knob, value in tuning.chosen.items())]
