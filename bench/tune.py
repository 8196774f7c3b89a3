"""`python -m bench tune`: which settings of a task are best for so many CPUs and so much memory.

Real backends with real local tasks render the same photos under each setting, one setting after the other and then
all over again, so that a busy moment of the machine hits all of them. One knob is turned at a time, from the
settings that tasks have today; what is chosen is, of the settings that keep within the memory, the simplest that is
not slower than the fastest by more than the noise.
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
from bench.core.context import Context
from bench.core.results import Machine
from bench.core.runner import RESULTS
from bench.core.samples import NoSamples, from_folder, made
from bench.system import processes
from bench.system.instruments import Instruments
from bench.system.photos import LARGE_MEGAPIXELS, copies, nearest
from bench.system.rounds import Round, run_round, warm_up
from contract.machine import usable_cpus
from slideshow.errors import CommandFailed
from slideshow.photos.screens import DEFAULT_SCREENS

PHOTOS = 32
NOISE = 0.03
"""Settings that differ by less are taken as equal."""
TODAY = "as today"


class Setting(Struct, frozen=True, kw_only=True):
    """One setting of a task: the knob that is turned, what it is turned to, and how.

    `threads` are images rendered at once, `read_ahead` images claimed beyond these; 0: as the processor chooses.
    """

    knob: str
    value: str
    environment: dict[str, str] = {}
    threads: int = 0
    read_ahead: int = 0


class Measured(Struct, frozen=True, kw_only=True):
    """A setting's rounds: wall and CPU seconds for all photos, peak memory of the task in MB."""

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
    """What is kept of a tuning: where it ran, all that was measured, and the value that was chosen for each knob."""

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
    """The settings to compare, of each knob the simplest first, and what is missing on this machine."""
    found = [Setting(knob=TODAY, value="")]
    found += [Setting(knob="images in flight", value=str(n), threads=n) for n in sorted({1, cpus, cpus + 1, 2 * cpus})]
    found += [Setting(knob="read-ahead", value=str(n), read_ahead=n) for n in sorted({1, 2, cpus + 2, 2 * cpus + 4})]
    found += [
        Setting(knob="VIPS_CONCURRENCY", value=str(n), environment={"VIPS_CONCURRENCY": str(n)})
        for n in sorted({1, 2, cpus})
    ]
    found += [
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
        return tuple(found), ("jemalloc: install it (on Debian: apt-get install libjemalloc2)",)
    found.append(Setting(knob="allocator", value="jemalloc", environment={"LD_PRELOAD": library}))
    return tuple(found), ()


def choose(measured: Sequence[Measured], memory_mb: int) -> dict[str, str]:
    """For each knob its value: within the memory, the least memory among those as fast as the fastest (`NOISE`)."""
    chosen = {}
    for knob in dict.fromkeys(one.setting.knob for one in measured):
        fitting = [one for one in measured if one.setting.knob == knob and one.peak <= memory_mb]
        if knob == TODAY or not fitting:
            continue
        fastest = min(one.wall for one in fitting)
        equal = [one for one in fitting if one.wall <= fastest * (1 + NOISE)]
        chosen[knob] = min(equal, key=lambda one: round(one.peak / 10)).setting.value
    return chosen


def measure(context: Context, cpus: int) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """Every setting in every round, in turn; what was measured, and what is missing here."""
    warm_up()
    photos = copies(nearest(context.photos, LARGE_MEGAPIXELS), PHOTOS, context.scratch / "photos")
    candidates, missing = settings(cpus)
    found: list[list[Round]] = [[] for _ in candidates]
    for number in range(context.rounds):
        for place, candidate in enumerate(candidates):
            made = run_round(
                context.scratch / "round",
                photos,
                DEFAULT_SCREENS,
                settings={"LOCAL_TASKS": "1", "MAX_TASKS": "1"},
                instruments=_instruments(candidate, cpus),
                held_back=True,
            )
            found[place].append(made)
            label = f"{candidate.knob} {candidate.value}".strip()
            context.say(
                f"round {number + 1} of {context.rounds}, {label}: {made.work_s:.2f} s, "
                f"{made.tasks_cpu_s:.2f} CPU s, {made.task_peak_mb:.0f} MB"
            )
    measured = tuple(
        Measured(
            setting=candidate,
            wall_s=tuple(made.work_s for made in rounds),
            cpu_s=tuple(made.tasks_cpu_s for made in rounds),
            peak_mb=tuple(made.task_peak_mb for made in rounds),
            photos=PHOTOS,
        )
        for candidate, rounds in zip(candidates, found, strict=True)
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
    """Measure, choose, and write the choice with its run to `tune-<cpus>cpu.json` in `folder`."""
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
    """Lines of a table of all settings; the chosen ones are marked."""
    lines = [f"{'':2}{'knob':18} {'value':34} {'wall s':>8} {'CPU ms/image':>13} {'peak MB':>8}"]
    for one in measured:
        knob, value = one.setting.knob, one.setting.value
        mark = "*" if chosen.get(knob) == value else ""
        lines.append(f"{mark:2}{knob:18} {value:34} {one.wall:8.2f} {one.cpu_ms_per_image:13.1f} {one.peak:8.0f}")
    return lines


def tune_here(cpus: int, memory_mb: int, samples: Path | None, rounds: int, say: Callable[[str], None]) -> list[str]:
    """The whole command: the lines of its table, of what is missing, and of what was chosen.

    Raises click.ClickException with a sentence where it cannot measure.
    """
    if not processes.available():
        raise CommandFailed(f"tuning needs {processes.NEEDS}")
    if cpus > usable_cpus():
        raise CommandFailed(f"this process may use {usable_cpus()} CPUs, so {cpus} cannot be measured here")
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    scratch = Path(tempfile.mkdtemp(prefix="bench-tune-"))
    try:
        photos = made(say) if samples is None else from_folder(samples, say)
        context = Context(photos=photos, rounds=rounds, scratch=scratch, say=say)
        tuning = tune(context, cpus, memory_mb, started, RESULTS)
    except NoSamples as error:
        raise CommandFailed(str(error)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines = [*table(tuning.measured, tuning.chosen), *(f"missing: {sentence}" for sentence in tuning.missing)]
    return [*lines, "chosen: " + ", ".join(f"{knob} {value}" for knob, value in tuning.chosen.items())]
