"""The design goal: 50 photos of 12 MP uploaded, queued, rendered by tasks and recorded, on this machine.

Three forms alternate: plain, with an emulated network, and with timed stages. Only the last one slows the tasks down.
The goal is 50 images in 5 minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.core.results import CaseResult, Check, Sample, Series, Span, at_most
from bench.core.runner import Context
from bench.system.instruments import Instruments
from bench.system.network import Network
from bench.system.photos import LARGE_MEGAPIXELS, copies, nearest
from bench.system.rounds import Round, run_round, whole_system
from bench.system.stages import WAITING, sums
from slideshow.photos.screens import DEFAULT_SCREENS

NAME = "target"
SUMMARY = "50 photos of 12 MP from the first upload to the last result, compared with the goal of 5 minutes"

PHOTOS = 50
GOAL_S = 300.0
MAX_WALL_S = 10.0
MAX_CPU_S = 12.0
NETWORK = Network(latency_s=0.030, bytes_per_s=50e6)
PLAIN, SLOW, TIMED = "ours", "ours, emulated network", "ours, stages timed"


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure `context.rounds` rounds of each form. Raises CommandFailed if the system fails."""
    chosen = nearest(context.photos, LARGE_MEGAPIXELS)
    photos = copies(chosen, PHOTOS, context.scratch / "photos")
    forms: dict[str, Callable[[Path], Instruments] | None] = {
        PLAIN: None,
        SLOW: lambda folder: Instruments(folder=str(folder), network=NETWORK),
        TIMED: lambda folder: Instruments(folder=str(folder), stages=True, queries=True),
    }
    measured: dict[str, list[Round]] = {form: [] for form in forms}
    for number in range(context.rounds):
        for form, instruments in forms.items():
            label = f"round {number + 1} of {context.rounds}, {form}"
            context.report(label)
            result = run_round(context.scratch / "round", photos, DEFAULT_SCREENS, instruments=instruments)
            context.report(
                f"{label}: {result.work_s:.1f} s, {result.cpu_s:.1f} CPU s, task {result.task_peak_mb:.0f} MB"
            )
            measured[form].append(result)
    series = tuple(
        Series(contender=form, subject=f"{PHOTOS} photos of 12 MP", samples=tuple(map(sample_of, rounds)))
        for form, rounds in measured.items()
    )
    return CaseResult(
        case=NAME,
        series=series,
        facts=facts_of(measured[PLAIN], measured[SLOW], measured[TIMED]),
        checks=checks_of(measured[PLAIN]),
        remarks=(
            f"Copies of {len(chosen)} photos of 11 to 13 MP, {measured[PLAIN][0].sent_bytes / 1e6:.0f} MB in total, "
            "all different files. Backend, tasks and uploader share the machine.",
            f"Emulated network: {NETWORK.latency_s * 1000:.0f} ms per round trip and "
            f"{NETWORK.bytes_per_s / 1e6:.0f} MB/s per connection, from uploader and tasks to the backend, and "
            "to the bucket.",
        ),
        spans=timeline(measured[TIMED][-1]),
    )


def sample_of(result: Round) -> Sample:
    """Return a round as a sample. Seconds of timed stages are summed over all tasks."""
    extra = {
        "upload_s": result.upload_s,
        "backend_cpu_s": result.backend_cpu_s,
        "tasks_cpu_s": result.tasks_cpu_s,
        "uploader_cpu_s": result.uploader_cpu_s,
        "backend_peak_mb": result.backend_peak_mb,
        "stored_bytes": float(result.stored_bytes),
        "sent_bytes": float(result.sent_bytes),
        "tasks": float(result.tasks),
        "multiple_of_goal": GOAL_S / result.work_s,
    }
    stages = sums(span for spans in result.spans.values() for span in spans)
    extra |= {f"stage_{stage}_s": wall for stage, (wall, _) in stages.items()}
    if stages:
        extra["waiting_s"] = sum(wall for stage, (wall, _) in stages.items() if stage in WAITING)
        extra["compute_s"] = sum(stages[stage][0] for stage in ("header", "render") if stage in stages)
        extra["database_cpu_s"] = sum(query.cpu_s for query in result.queries.values())
    return Sample(cpu_s=result.cpu_s, wall_s=result.work_s, peak_rss_mb=result.task_peak_mb, extra=extra)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def facts_of(plain: list[Round], slow: list[Round], timed: list[Round]) -> dict[str, float]:
    """Return the most important figures: medians over the rounds."""
    wall = _median(result.work_s for result in plain)
    facts = {
        "wall_s": wall,
        "cpu_s": _median(result.cpu_s for result in plain),
        "multiple_of_goal": GOAL_S / wall,
        "images_per_s": PHOTOS / wall,
        "emulated_network_wall_s": _median(result.work_s for result in slow),
        "emulated_network_cpu_s": _median(result.cpu_s for result in slow),
    }
    samples = [sample_of(result).extra for result in timed]
    for name in samples[0]:
        if name.startswith("stage_") or name in ("waiting_s", "compute_s", "database_cpu_s"):
            facts[f"{name.removesuffix('_s')}_ms_per_image"] = (
                _median(sample.get(name, 0.0) for sample in samples) * 1000 / PHOTOS
            )
    return facts


def checks_of(plain: list[Round]) -> tuple[Check, ...]:
    """Check the targets with the medians over the rounds."""
    wall, cpu = _median(result.work_s for result in plain), _median(result.cpu_s for result in plain)
    limits = (("wall", wall, MAX_WALL_S), ("CPU", cpu, MAX_CPU_S), ("wall, beside the goal", wall, GOAL_S))
    return tuple(at_most(f"{PHOTOS} photos of 12 MP, {what}", value, limit, "s") for what, value, limit in limits)


def timeline(result: Round) -> tuple[Span, ...]:
    """Return every stage of every task and thread, in seconds after the first upload."""
    stages = []
    for number, spans in enumerate(result.spans.values()):
        stages += [
            Span(
                subject=f"task {number}, {span.thread}",
                stage=span.stage,
                begins_s=span.begin - result.began,
                ends_s=span.end - result.began,
            )
            for span in spans
            if span.stage != "render"  # its steps are listed individually
        ]
    return tuple(sorted(stages, key=lambda span: (span.subject, span.begins_s)))
