"""Memory of a task: its peak with two photos of 24 MP in flight, and its growth over 1,000 images."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.core.results import CaseResult, MemoryLine, Point, Sample, Series, at_most
from bench.core.runner import Context
from bench.system import processes, rounds
from bench.system.instruments import Instruments
from bench.system.photos import copies, nearest, small_photos
from bench.system.rounds import Round, run_round, whole_system
from slideshow.photos.screens import DEFAULT_SCREENS

NAME = "memory"
SUMMARY = "peak memory of a task with two photos of 24 MP in flight, and its growth over 1,000 images"

LARGE_MEGAPIXELS = 24.0
LARGE_PHOTOS = 24
IN_FLIGHT = 2
MAX_MB = 380.0
AIM_MB = 330.0
LONG_RUN = 1000
LARGE_EVERY = 10
"""Every tenth photo of the long run is large, so that every hundred photos have the same mix."""
WINDOW = 100
MAX_GROWTH = 0.05
POINTS_OF_A_LINE = 600
ONE_TASK = {"LOCAL_TASKS": "1", "MAX_TASKS": "1"}


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure the peak in every round, and the long run once."""
    sources = nearest(context.photos, LARGE_MEGAPIXELS, share=1.15)
    large = copies(sources, LARGE_PHOTOS, context.scratch / "large")
    peaks = []
    for number in range(context.rounds):
        result = _one_task(context, large)
        context.report(
            f"round {number + 1} of {context.rounds}: {result.task_peak_mb:.0f} MB with {IN_FLIGHT} in flight"
        )
        peaks.append(result)
    long = _one_task(context, mixed(context, sources), tell=True)
    first, last = windows(long.points, LONG_RUN, WINDOW)
    growth = max(last) / max(first)
    peak = statistics.median(result.task_peak_mb for result in peaks)
    return CaseResult(
        case=NAME,
        series=(
            Series(
                contender="ours, 2 in flight",
                subject=f"{LARGE_PHOTOS} photos of 24 MP",
                samples=tuple(map(_sample, peaks)),
            ),
            Series(
                contender="ours, 2 in flight", subject=f"{LONG_RUN} photos, small and large", samples=(_sample(long),)
            ),
        ),
        facts={
            "peak_mb": peak,
            "first_hundred_peak_mb": max(first),
            "last_hundred_peak_mb": max(last),
            "first_hundred_median_mb": statistics.median(first),
            "last_hundred_median_mb": statistics.median(last),
        },
        checks=(
            at_most(
                f"peak memory of a task with {IN_FLIGHT} photos of 24 MP in flight (aim: {AIM_MB:.0f} MB)",
                peak,
                MAX_MB,
                "MB",
            ),
            at_most(  # reports find the ratio of the two peaks by this name
                f"peak of the last {WINDOW} images of {LONG_RUN} over that of the first {WINDOW}",
                growth,
                1 + MAX_GROWTH,
            ),
        ),
        remarks=(f"Copies of {len(sources)} photos of 21 to 28 MP; every tenth photo of the long run is one of them.",),
        memory=(
            line("one task, photos of 24 MP", peaks[-1].points),
            line(f"one task, {LONG_RUN} photos, small and large", long.points),
        ),
    )


def mixed(context: Context, sources: Sequence[Path]) -> list[Path]:
    """Return `LONG_RUN` photos, of which every tenth is large."""
    number = LONG_RUN // LARGE_EVERY
    small = small_photos(LONG_RUN - number, context.scratch / "small", context.seed)
    large = copies(sources, number, context.scratch / "many-large")
    photos: list[Path] = []
    for index, path in enumerate(large):
        photos += [path, *small[index * (LARGE_EVERY - 1) : (index + 1) * (LARGE_EVERY - 1)]]
    return photos


def _one_task(context: Context, photos: Sequence[Path], *, tell: bool = False) -> Round:
    return run_round(
        context.scratch / "round",
        photos,
        DEFAULT_SCREENS,
        settings=ONE_TASK,
        instruments=lambda folder: Instruments(folder=str(folder), render_threads=IN_FLIGHT),
        held_back=True,
        sample=True,
        tell=context.report if tell else rounds.silent,
    )


def _sample(result: Round) -> Sample:
    return Sample(
        cpu_s=result.cpu_s,
        wall_s=result.work_s,
        peak_rss_mb=result.task_peak_mb,
        extra={"backend_peak_mb": result.backend_peak_mb},
    )


def windows(points: Sequence[processes.Point], total: int, size: int) -> tuple[list[float], list[float]]:
    """Return two lists of memory samples in MB: during the first `size` images, and during the last `size` of `total`.

    Raises:
        ValueError: A window contains no sample.
    """
    first = [point.rss_mb for point in points if point.done < size]
    last = [point.rss_mb for point in points if total - size <= point.done < total]
    if not first or not last:
        raise ValueError("the run was too short for memory samples in both windows")
    return first, last


def line(label: str, points: Sequence[processes.Point]) -> MemoryLine:
    """Return memory over time with a limited number of points: the largest of each interval."""
    size = max(1, -(-len(points) // POINTS_OF_A_LINE))
    largest = [
        max(points[start : start + size], key=lambda point: point.rss_mb) for start in range(0, len(points), size)
    ]
    return MemoryLine(label=label, points=tuple(Point(point.seconds, point.rss_mb) for point in largest))
