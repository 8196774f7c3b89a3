"""What 1,000 images cost on Google Cloud, by the throughput that a run measured and the list prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from backend.jobs.bill import MODEL_TASK, MODEL_TASKS, PRICES_OF, REGION, TASK, Size, billed_seconds
from backend.jobs.forecast import MODEL_BATCH, Assumptions
from bench.core.results import CaseResult, Run
from bench.report.bars import Bar, bars, noise_words
from bench.report.drawing import number
from bench.report.figures import band, extra, look_of, middle, name_of, times
from bench.report.html import Markup, figure, paragraph, table

IMAGES = 1000
FORM = ", 2 in flight"
"""A task has two vCPUs; what this machine does with two in flight is taken for what a task does."""

CONTENDERS = ("ours", "sharp-tuned", "model")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Dollars for 1,000 images that come so many at a time, ours and the model's."""

    words: str
    ours: float
    model: float | None


def size_of(contender: str) -> Size:
    """The task that a contender is billed for: the model's has more memory."""
    return MODEL_TASK if contender == "model" else TASK


def filled(contender: str, images_per_s: float) -> float:
    """Dollars for 1,000 images in tasks whose minutes are filled."""
    return IMAGES / images_per_s * size_of(contender).second


def batches(size: int, tasks: int, task: Size, images_per_s: float) -> float:
    """Dollars for 1,000 images that come `size` at a time, each time on so many new tasks; each pays its start."""
    seconds = Assumptions().start_seconds + size / tasks / images_per_s
    return IMAGES / size * tasks * billed_seconds(seconds) * task.second


def arrivals(ours: float, model: float | None) -> tuple[Arrival, ...]:
    """By images per second of a task: ours on one task a batch, the model on ten."""
    return tuple(
        Arrival(
            said,
            batches(size, 1, TASK, ours),
            None if model is None else batches(size, MODEL_TASKS, MODEL_TASK, model),
        )
        for said, size in ((f"{MODEL_BATCH} at a time", MODEL_BATCH), ("one by one, each with a minute to itself", 1))
    )


def dollars(value: float) -> str:
    """$24.00, or $0.0456 where cents would say too little."""
    return f"${value:.2f}" if value >= 1 else f"${value:.4f}"


def bill(case: CaseResult, run: Run) -> Iterator[Markup]:
    """Bars of the work alone, and a table of how images arrive."""
    rates = {name: times(case.series, name + FORM, extra("images_per_s")) for name in CONTENDERS}
    rows = []
    for name, own in rates.items():
        if own:
            value, around = middle(own), band(own, middle(own))
            costs = None if around is None else (100 * filled(name, around[1]), 100 * filled(name, around[0]))
            rows.append(Bar(label=name_of(name), value=100 * filled(name, value), look=look_of(name), band=costs))
    if not rates["ours"]:
        yield paragraph("Ours was not measured with two in flight, so there is no bill.")
        return
    yield figure(
        f"{IMAGES:,} images in tasks whose minutes are filled",
        partial(bars, f"US cents for {IMAGES} images", rows, "cents"),
        f"List prices of {REGION}, {PRICES_OF}, by the images per second that each did here with two in flight; "
        f"tasks of {TASK.cpus:g} vCPU and {TASK.memory_gib:g} GiB, the model's {MODEL_TASK.memory_gib:g} GiB. "
        f"{noise_words(rows)}",
    )
    ours = middle(rates["ours"])
    model = middle(rates["model"]) if rates["model"] else None
    lines = [
        (
            one.words,
            dollars(one.ours),
            "not measured" if one.model is None else dollars(one.model),
            "" if one.model is None else f"{number(one.model / one.ours)} ×",
        )
        for one in arrivals(ours, model)
    ]
    yield Markup(f"<h3>{IMAGES:,} images as they arrive</h3>")
    yield table(("They come", "ours", "the model's way", "model over ours"), lines, (1, 2, 3), "few")
    yield paragraph(
        f"A task is billed for a minute at least, and {Assumptions().start_seconds:g} s of its start are assumed. "
        f"Ours starts one task for a batch, the model {MODEL_TASKS}. "
        f"Storage, traffic and the waiting service are left out.",
        "note",
    )
