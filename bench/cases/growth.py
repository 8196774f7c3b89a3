"""Growth: what an image costs when there are 50, 500 or 5,000, with 1, 2 or 4 tasks.

The photos are small and the screens smaller, so that what is measured is the system around the pictures: claims,
reports, rows, objects. All photos are there before the tasks begin. A cost at N images is the marginal one, from the
next smaller number on; what is there without any image (starting tasks, loading kernels) drops out and is shown apart.

A machine's speed drifts by more within minutes than what is looked for. So the counts are measured up and down again,
with the largest in the middle: a steady drift then weighs on all of them alike.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from bench.core.context import Context
from bench.core.results import CaseResult, Check, Sample, Series
from bench.system.instruments import Instruments
from bench.system.photos import small_photos
from bench.system.preconditions import whole_system
from bench.system.rounds import Round, run_round
from contract.messages.processing import Device
from slideshow.formatting import counted

NAME = "growth"
SUMMARY = "time, CPU and memory per image for 50, 500 and 5,000 images, with 1, 2 and 4 tasks"

COUNTS = (50, 500, 5000)
SWEEP = (*COUNTS, *reversed(COUNTS[:-1]))
"""The order in which the counts are measured with a number of tasks."""
TASKS = (1, 2, 4)
MAX_GROWTH = 0.10
DEVICES = tuple(Device(name=f"screen-{side}", width=side, height=side * 3 // 5) for side in (80, 95, 110, 125, 140))


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """With every number of tasks one sweep, however many rounds were asked for: it takes minutes."""
    context.say(f"making {max(COUNTS)} small photos")
    photos = small_photos(max(COUNTS), context.scratch / "photos", context.seed)
    found: dict[tuple[int, int], list[Round]] = {}
    for tasks, count in itertools.product(TASKS, SWEEP):
        label = subject_of(count, tasks)
        made = run_round(
            context.scratch / "round",
            photos[:count],
            DEVICES,
            settings={"LOCAL_TASKS": str(tasks), "MAX_TASKS": str(tasks)},
            instruments=lambda folder: Instruments(folder=str(folder), queries=True, every_task=True),
            held_back=True,
            tell=lambda told, label=label: context.say(f"{label}: {told}"),  # type: ignore[misc]
        )
        found.setdefault((count, tasks), []).append(made)
        context.say(
            f"{label}: {work_cpu(made) / count * 1000:.1f} CPU ms and {made.work_s / count * 1000:.1f} ms an image"
        )
    return CaseResult(
        case=NAME,
        series=tuple(
            Series(
                contender=f"ours, {counted(tasks, 'task')}",
                subject=f"{count} images",
                group=counted(tasks, "task"),
                samples=tuple(sample_of(made, count) for made in rounds),
            )
            for (count, tasks), rounds in sorted(found.items())
        ),
        facts=facts_of(found),
        checks=checks_of(found),
        remarks=(
            "Photos of 64x48 pixels for five screens of 80x48 to 140x84: rendering is a small part of the cost here.",
            "CPU of backend and tasks from the flush on; uploads stand apart in each sample.",
        ),
    )


def subject_of(count: int, tasks: int) -> str:
    """What a progress line calls a setting."""
    return f"{counted(count, 'image')}, {counted(tasks, 'task')}"


def work_cpu(made: Round) -> float:
    """CPU seconds of backend and tasks after the uploads."""
    return made.backend_cpu_s - made.upload_backend_cpu_s + made.tasks_cpu_s


def database_cpu(made: Round) -> float:
    """CPU seconds of the threads that ran the database's queries, uploads included."""
    return sum(query.cpu_s for query in made.queries.values())


def sample_of(made: Round, count: int) -> Sample:
    """A round as a sample, with its costs per image."""
    return Sample(
        cpu_s=work_cpu(made),
        wall_s=made.work_s,
        peak_rss_mb=made.task_peak_mb,
        extra={
            "images": float(count),
            "wall_ms_per_image": made.work_s * 1000 / count,
            "cpu_ms_per_image": work_cpu(made) * 1000 / count,
            "tasks_cpu_ms_per_image": made.tasks_cpu_s * 1000 / count,
            "backend_cpu_ms_per_image": (made.backend_cpu_s - made.upload_backend_cpu_s) * 1000 / count,
            "database_cpu_ms_per_image": database_cpu(made) * 1000 / count,
            "upload_ms_per_image": made.upload_s * 1000 / count,
            "upload_backend_cpu_ms_per_image": made.upload_backend_cpu_s * 1000 / count,
            "backend_peak_mb": made.backend_peak_mb,
        },
    )


def marginal(costs: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """For each count but the smallest: (count, cost of one more image), from (count, cost of all), counts ascending."""
    return [(count, (cost - before) / (count - fewer)) for (fewer, before), (count, cost) in itertools.pairwise(costs)]


def start_up(costs: Sequence[tuple[int, float]]) -> float:
    """What is left at no image at all: the line through the two smallest counts."""
    (fewer, before), _ = costs[:2]
    return before - fewer * marginal(costs)[0][1]


def _costs(found: dict[tuple[int, int], list[Round]], tasks: int, what: str) -> list[tuple[int, float]]:
    """(count, median over the sweep) of "CPU" or "wall" with so many tasks."""
    return [
        (count, statistics.median(work_cpu(made) if what == "CPU" else made.work_s for made in rounds))
        for (count, of), rounds in sorted(found.items())
        if of == tasks
    ]


def facts_of(found: dict[tuple[int, int], list[Round]]) -> dict[str, float]:
    """Marginal costs and start-ups for each number of tasks, and the database's part at the largest count."""
    facts = {}
    for tasks in TASKS:
        for what in ("CPU", "wall"):
            costs = _costs(found, tasks, what)
            facts[f"{what.lower()}_start_up_s, {counted(tasks, 'task')}"] = start_up(costs)
            for count, cost in marginal(costs):
                facts[f"marginal_{what.lower()}_ms, {subject_of(count, tasks)}"] = cost * 1000
        largest = found[max(COUNTS), tasks][0]
        for name, query in sorted(largest.queries.items(), key=lambda entry: -entry[1].cpu_s)[:6]:
            facts[f"{name}_cpu_ms_per_image, {counted(tasks, 'task')}"] = query.cpu_s * 1000 / max(COUNTS)
    return facts


def checks_of(found: dict[tuple[int, int], list[Round]]) -> tuple[Check, ...]:
    """For each number of tasks: the marginal CPU of an image at the largest count over that at the one before."""
    checks = []
    for tasks in TASKS:
        (_, before), (_, last) = marginal(_costs(found, tasks, "CPU"))[-2:]
        checks.append(
            Check(
                name=f"marginal CPU an image at {COUNTS[-1]} over that at {COUNTS[-2]}, {counted(tasks, 'task')}",
                limit=f"at most {1 + MAX_GROWTH:g}",
                value=last / before,
                unit="times",
                holds=last / before <= 1 + MAX_GROWTH,
            )
        )
    return tuple(checks)
