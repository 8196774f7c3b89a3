"""Draw the section about cost: 1,000 images on Google Cloud, by the measured throughput and the list prices."""

from __future__ import annotations

from collections.abc import Iterator

from backend.jobs.bill import LEGACY_TASK, LEGACY_TASKS, PRICES_OF, REGION, TASK, Size, billed_seconds
from backend.jobs.forecast import LEGACY_BATCH, Assumptions
from bench.core.results import CaseResult, Run
from bench.report.charts import Bar, Chart, Table, bars, chart, noise_text, number
from bench.report.values import band, colour_of, extra, name_of, overall_median, times

IMAGES = 1000
FORM = ", 2 in flight"
"""A task has two vCPUs: its throughput is assumed to be that of this machine with two images in flight."""

TASKS = {"ours": TASK, "sharp-tuned": TASK, "model": LEGACY_TASK}
"""The size of task that a contender is billed for: the model's way has more memory."""

ARRIVALS = {f"{LEGACY_BATCH} at a time": LEGACY_BATCH, "one by one, each billed a full minute": 1}
"""Images in a batch."""


def filled(task: Size, images_per_s: float) -> float:
    """Return dollars for 1,000 images in tasks that are always busy."""
    return IMAGES / images_per_s * task.second


def batches(size: int, tasks: int, task: Size, images_per_s: float) -> float:
    """Return dollars for 1,000 images in batches of `size`, each on new tasks, which each pay for their start."""
    seconds = Assumptions().start_seconds + size / tasks / images_per_s
    return IMAGES / size * tasks * billed_seconds(seconds) * task.second


def dollars(value: float) -> str:
    """Return $24.00, or $0.0456 below one dollar."""
    return f"${value:.2f}" if value >= 1 else f"${value:.4f}"


def bill(case: CaseResult, run: Run) -> Iterator[Chart | Table | str]:
    """Draw bars of the work alone, and a table by the way in which images arrive."""
    measured = {name: times(case.series, name + FORM, extra("images_per_s")) for name in TASKS}
    rates = {name: overall_median(own) for name, own in measured.items() if own}
    if "ours" not in rates:
        yield "Ours was not measured with two in flight, so no cost can be computed."
        return
    rows = []
    for name, rate in rates.items():
        cents = 100 * filled(TASKS[name], rate)
        label, colour = name_of(name), colour_of(name)
        rows.append(Bar(label, cents, colour, band(measured[name], cents)))
    text = (
        f"List prices of {REGION}, {PRICES_OF}, at the images per second that each contender reached here with two in "
        f"flight. Tasks have {TASK.cpus:g} vCPU and {TASK.memory_gib:g} GiB; the model's way has "
        f"{LEGACY_TASK.memory_gib:g} GiB. {noise_text(rows)}"
    )
    yield chart(bars, f"{IMAGES:,} images in tasks that are always busy", rows, "US cents", caption=text)
    lines = []
    for arrival, size in ARRIVALS.items():
        ours, model = batches(size, 1, TASK, rates["ours"]), ("not measured", "")
        if "model" in rates:
            theirs = batches(size, LEGACY_TASKS, LEGACY_TASK, rates["model"])
            model = (dollars(theirs), f"{number(theirs / ours)} ×")
        lines.append((arrival, dollars(ours), *model))
    head = ("Arrival", "ours", "the model's way", "the model's way / ours")
    yield Table(f"{IMAGES:,} images by how they arrive", head, lines, (1, 2, 3))
    yield (
        f"A task is billed for at least one minute, and {Assumptions().start_seconds:g} s of start-up are assumed. "
        f"Ours starts one task per batch; the model's way starts {LEGACY_TASKS}. "
        "Storage, traffic and the waiting service are not included."
    )
