"""Growth: the cost of an image among 50, 500 and 5,000, with 1, 2 and 4 tasks.

The photos are small and the screens smaller, so that the case measures the system around the rendering: claims,
reports, rows, objects. All photos are uploaded before the tasks start. The cost at N images is the marginal cost since
the next smaller count. The cost without any image (starting tasks, loading kernels) cancels out and is listed
separately.

The speed of a machine drifts within minutes by more than the effect. So the counts are measured in ascending and then
descending order, with the largest in the middle: a steady drift then affects all of them alike.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from bench.core.results import CaseResult, Check, Sample, Series, at_most
from bench.core.runner import Context
from bench.system.instruments import Instruments
from bench.system.photos import small_photos
from bench.system.rounds import Round, run_round, whole_system
from contract.messages.processing import Device
from slideshow.output import counted

NAME = "growth"
SUMMARY = "time, CPU and memory per image with 50, 500 and 5,000 images, and 1, 2 and 4 tasks"

COUNTS = (50, 500, 5000)
SWEEP = (*COUNTS, *reversed(COUNTS[:-1]))
"""The order of the counts for each number of tasks."""
TASKS = (1, 2, 4)
MAX_GROWTH = 0.10
DEVICES = tuple(Device(name=f"screen-{side}", width=side, height=side * 3 // 5) for side in (80, 95, 110, 125, 140))


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure one sweep for each number of tasks. It takes minutes, so `rounds` is ignored."""
    context.report(f"generating {max(COUNTS)} small photos")
    photos = small_photos(max(COUNTS), context.scratch / "photos", context.seed)
    measured: dict[tuple[int, int], list[Round]] = {}
    for tasks, count in itertools.product(TASKS, SWEEP):
        label = subject_of(count, tasks)
        result = run_round(
            context.scratch / "round",
            photos[:count],
            DEVICES,
            settings={"LOCAL_TASKS": str(tasks), "MAX_TASKS": str(tasks)},
            instruments=lambda folder: Instruments(folder=str(folder), queries=True, every_task=True),
            held_back=True,
            tell=lambda text, label=label: context.report(f"{label}: {text}"),  # type: ignore[misc]
        )
        measured.setdefault((count, tasks), []).append(result)
        context.report(
            f"{label}: {work_cpu(result) / count * 1000:.1f} CPU ms and {result.work_s / count * 1000:.1f} ms per image"
        )
    return CaseResult(
        case=NAME,
        series=tuple(
            Series(
                contender=f"ours, {counted(tasks, 'task')}",
                subject=f"{count} images",
                group=counted(tasks, "task"),
                samples=tuple(sample_of(result, count) for result in rounds),
            )
            for (count, tasks), rounds in sorted(measured.items())
        ),
        facts=facts_of(measured),
        checks=checks_of(measured),
        remarks=(
            "Photos of 64x48 pixels for five screens of 80x48 to 140x84, so rendering is a small part of the cost.",
            "CPU time of backend and tasks after the uploads. The uploads are separate figures of each sample.",
        ),
    )


def subject_of(count: int, tasks: int) -> str:
    """Return the name of a setting for progress lines."""
    return f"{counted(count, 'image')}, {counted(tasks, 'task')}"


def work_cpu(result: Round) -> float:
    """Return the CPU seconds of backend and tasks after the uploads."""
    return result.backend_cpu_s - result.upload_backend_cpu_s + result.tasks_cpu_s


def database_cpu(result: Round) -> float:
    """Return the CPU seconds of the database threads, including the uploads."""
    return sum(query.cpu_s for query in result.queries.values())


def sample_of(result: Round, count: int) -> Sample:
    """Return a round as a sample, with its costs per image."""
    return Sample(
        cpu_s=work_cpu(result),
        wall_s=result.work_s,
        peak_rss_mb=result.task_peak_mb,
        extra={
            "images": float(count),
            "wall_ms_per_image": result.work_s * 1000 / count,
            "cpu_ms_per_image": work_cpu(result) * 1000 / count,
            "tasks_cpu_ms_per_image": result.tasks_cpu_s * 1000 / count,
            "backend_cpu_ms_per_image": (result.backend_cpu_s - result.upload_backend_cpu_s) * 1000 / count,
            "database_cpu_ms_per_image": database_cpu(result) * 1000 / count,
            "upload_ms_per_image": result.upload_s * 1000 / count,
            "upload_backend_cpu_ms_per_image": result.upload_backend_cpu_s * 1000 / count,
            "backend_peak_mb": result.backend_peak_mb,
        },
    )


def marginal(costs: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return (count, cost of one more image) for each count but the smallest.

    `costs` are (count, cost of all images) in ascending order.
    """
    return [(count, (cost - before) / (count - fewer)) for (fewer, before), (count, cost) in itertools.pairwise(costs)]


def start_up(costs: Sequence[tuple[int, float]]) -> float:
    """Return the cost without any image, extrapolated from the two smallest counts."""
    (fewer, before), _ = costs[:2]
    return before - fewer * marginal(costs)[0][1]


def _costs(measured: dict[tuple[int, int], list[Round]], tasks: int, what: str) -> list[tuple[int, float]]:
    """Return (count, median over the sweep) of "CPU" or "wall" for a number of tasks."""
    return [
        (count, statistics.median(work_cpu(result) if what == "CPU" else result.work_s for result in rounds))
        for (count, of), rounds in sorted(measured.items())
        if of == tasks
    ]


def facts_of(measured: dict[tuple[int, int], list[Round]]) -> dict[str, float]:
    """Return marginal costs and start-up costs by number of tasks, and the slowest queries at the largest count."""
    facts = {}
    for tasks in TASKS:
        for what in ("CPU", "wall"):
            costs = _costs(measured, tasks, what)
            facts[f"{what.lower()}_start_up_s, {counted(tasks, 'task')}"] = start_up(costs)
            for count, cost in marginal(costs):
                facts[f"marginal_{what.lower()}_ms, {subject_of(count, tasks)}"] = cost * 1000
        largest = measured[max(COUNTS), tasks][0]
        for name, query in sorted(largest.queries.items(), key=lambda entry: -entry[1].cpu_s)[:6]:
            facts[f"{name}_cpu_ms_per_image, {counted(tasks, 'task')}"] = query.cpu_s * 1000 / max(COUNTS)
    return facts


def checks_of(measured: dict[tuple[int, int], list[Round]]) -> tuple[Check, ...]:
    """Check the marginal CPU time at the largest count against that at the count before, by number of tasks."""
    checks = []
    for tasks in TASKS:
        (_, before), (_, last) = marginal(_costs(measured, tasks, "CPU"))[-2:]
        checks.append(
            at_most(
                f"marginal CPU an image at {COUNTS[-1]} over that at {COUNTS[-2]}, {counted(tasks, 'task')}",
                last / before,
                1 + MAX_GROWTH,
            )
        )
    return tuple(checks)
