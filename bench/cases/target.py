"""The target: 50 photos of 12 MP uploaded, queued, rendered by tasks and recorded, on this one machine.

Three forms, taken in turn: as it is; behind an imitated network; and with the stages of each task timed, which is
the only one that costs the tasks something. The goal that it is set beside is 50 images in 5 minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.core.context import Context
from bench.core.results import CaseResult, Check, Sample, Series, Span
from bench.system.instruments import Instruments
from bench.system.network import Network
from bench.system.photos import LARGE_MEGAPIXELS, copies, nearest
from bench.system.preconditions import whole_system
from bench.system.rounds import Round, run_round
from bench.system.stages import WAITING, sums
from slideshow.photos.screens import DEFAULT_SCREENS

NAME = "target"
SUMMARY = "50 photos of 12 MP from the first upload to the last result, beside the goal of 5 minutes"

PHOTOS = 50
GOAL_S = 300.0
MAX_WALL_S = 10.0
MAX_CPU_S = 12.0
NETWORK = Network(latency_s=0.030, bytes_per_s=50e6)
PLAIN, SLOW, TIMED = "ours", "ours, imitated network", "ours, stages timed"


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure `context.rounds` rounds of each form. Raises CommandFailed where the system does not do its work."""
    chosen = nearest(context.photos, LARGE_MEGAPIXELS)
    photos = copies(chosen, PHOTOS, context.scratch / "photos")
    forms: dict[str, Callable[[Path], Instruments] | None] = {
        PLAIN: None,
        SLOW: lambda folder: Instruments(folder=str(folder), network=NETWORK),
        TIMED: lambda folder: Instruments(folder=str(folder), stages=True, queries=True),
    }
    found: dict[str, list[Round]] = {form: [] for form in forms}
    for number in range(context.rounds):
        for form, instruments in forms.items():
            label = f"round {number + 1} of {context.rounds}, {form}"
            context.say(label)
            made = run_round(context.scratch / "round", photos, DEFAULT_SCREENS, instruments=instruments)
            context.say(f"{label}: {made.work_s:.1f} s, {made.cpu_s:.1f} CPU s, task {made.task_peak_mb:.0f} MB")
            found[form].append(made)
    series = tuple(
        Series(contender=form, subject=f"{PHOTOS} photos of 12 MP", samples=tuple(map(sample_of, rounds)))
        for form, rounds in found.items()
    )
    return CaseResult(
        case=NAME,
        series=series,
        facts=facts_of(found[PLAIN], found[SLOW], found[TIMED]),
        checks=checks_of(found[PLAIN]),
        remarks=(
            f"Copies of {len(chosen)} photos of 11 to 13 MP, {found[PLAIN][0].sent_bytes / 1e6:.0f} MB in all, each "
            "another file; backend, tasks and uploader share the machine.",
            f"Imitated network: {NETWORK.latency_s * 1000:.0f} ms a round trip and "
            f"{NETWORK.bytes_per_s / 1e6:.0f} MB/s a connection: from uploader and tasks to the backend, and "
            "to the bucket.",
        ),
        spans=waterfall(found[TIMED][-1]),
    )


def sample_of(made: Round) -> Sample:
    """A round as a sample; of timed stages the seconds over all tasks."""
    extra = {
        "upload_s": made.upload_s,
        "backend_cpu_s": made.backend_cpu_s,
        "tasks_cpu_s": made.tasks_cpu_s,
        "uploader_cpu_s": made.uploader_cpu_s,
        "backend_peak_mb": made.backend_peak_mb,
        "stored_bytes": float(made.stored_bytes),
        "sent_bytes": float(made.sent_bytes),
        "tasks": float(made.tasks),
        "multiple_of_goal": GOAL_S / made.work_s,
    }
    stages = sums(span for spans in made.spans.values() for span in spans)
    extra |= {f"stage_{stage}_s": wall for stage, (wall, _) in stages.items()}
    if stages:
        extra["waiting_s"] = sum(wall for stage, (wall, _) in stages.items() if stage in WAITING)
        extra["compute_s"] = sum(stages[stage][0] for stage in ("header", "render") if stage in stages)
        extra["database_cpu_s"] = sum(query.cpu_s for query in made.queries.values())
    return Sample(cpu_s=made.cpu_s, wall_s=made.work_s, peak_rss_mb=made.task_peak_mb, extra=extra)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def facts_of(plain: list[Round], slow: list[Round], timed: list[Round]) -> dict[str, float]:
    """The figures that a reader looks for first; medians over the rounds."""
    wall = _median(made.work_s for made in plain)
    facts = {
        "wall_s": wall,
        "cpu_s": _median(made.cpu_s for made in plain),
        "multiple_of_goal": GOAL_S / wall,
        "images_per_s": PHOTOS / wall,
        "imitated_network_wall_s": _median(made.work_s for made in slow),
        "imitated_network_cpu_s": _median(made.cpu_s for made in slow),
    }
    samples = [sample_of(made).extra for made in timed]
    for name in samples[0]:
        if name.startswith("stage_") or name in ("waiting_s", "compute_s", "database_cpu_s"):
            facts[f"{name.removesuffix('_s')}_ms_per_image"] = (
                _median(sample.get(name, 0.0) for sample in samples) * 1000 / PHOTOS
            )
    return facts


def checks_of(plain: list[Round]) -> tuple[Check, ...]:
    """The promises, by the medians over the rounds."""
    wall, cpu = _median(made.work_s for made in plain), _median(made.cpu_s for made in plain)
    limits = (("wall", wall, MAX_WALL_S), ("CPU", cpu, MAX_CPU_S), ("wall, beside the goal", wall, GOAL_S))
    return tuple(
        Check(
            name=f"{PHOTOS} photos of 12 MP, {what}",
            limit=f"at most {limit:g} s",
            value=value,
            unit="s",
            holds=value <= limit,
        )
        for what, value, limit in limits
    )


def waterfall(made: Round) -> tuple[Span, ...]:
    """Every stage of every task and thread, from the first upload on."""
    found = []
    for number, spans in enumerate(made.spans.values()):
        found += [
            Span(
                subject=f"task {number}, {span.thread}",
                stage=span.stage,
                begins_s=span.begin - made.began,
                ends_s=span.end - made.began,
            )
            for span in spans
            if span.stage != "render"  # its steps are there themselves
        ]
    return tuple(sorted(found, key=lambda span: (span.subject, span.begins_s)))
