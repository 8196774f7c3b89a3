"""Downloads: photos rendered while they arrive, beside photos that are fetched ahead, from a bucket at a distance.

One task with two threads over the imitated Google Cloud Storage, 30 ms away, at three rates; both ways take turns in
every round. The imitation's own CPU time is subtracted from the wall time, for it ran on the same CPUs. What decides
which way is the default is the end-to-end time: streaming, unless fetching ahead is more than 5 % faster.
"""

from __future__ import annotations

import statistics

from bench.core.context import Context
from bench.core.results import CaseResult, Check, Sample, Series
from bench.system.photos import LARGE_MEGAPIXELS, copies, nearest
from bench.system.preconditions import whole_system
from emulators.cloud_storage.server import gcs_process
from emulators.latency import BUCKET, Round, measure

NAME = "download"
SUMMARY = "one task over a bucket 30 ms away, at 20, 50 and 200 MB/s: photos streamed and photos fetched ahead"

PHOTOS = 24
LATENCY_S = 0.030
RATES = (20e6, 50e6, 200e6)
WAYS = {"stream": "ours, streamed", "ahead": "ours, fetched ahead"}
MOST = 1.05


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure `context.rounds` rounds of each way at each rate."""
    chosen = nearest(context.photos, LARGE_MEGAPIXELS)
    photos = [path.read_bytes() for path in copies(chosen, PHOTOS, context.scratch / "photos")]
    found: dict[tuple[str, float], list[Round]] = {}
    for number in range(context.rounds):
        for rate in RATES:
            for way in list(WAYS) if number % 2 == 0 else reversed(WAYS):
                with gcs_process(BUCKET, latency=LATENCY_S, rate=rate) as imitation:
                    environ = {"BUCKET_URL": f"gs://{BUCKET}", "STORAGE_EMULATOR_HOST": imitation.url}
                    made = measure(photos, environ | {"PROCESSOR_DOWNLOAD": way}, imitation)
                found.setdefault((way, rate), []).append(made)
                context.say(
                    f"round {number + 1} of {context.rounds}, {rate / 1e6:g} MB/s, {WAYS[way]}: "
                    f"{made.subtracted:.2f} s, {made.task_cpu:.2f} CPU s"
                )
    facts, checks = judged(found)
    return CaseResult(
        case=NAME,
        series=tuple(
            Series(
                contender=WAYS[way],
                subject=f"{PHOTOS} photos of 12 MP, {rate / 1e6:g} MB/s",
                group=f"{rate / 1e6:g} MB/s",
                samples=tuple(sample_of(made) for made in rounds),
            )
            for (way, rate), rounds in found.items()
        ),
        facts=facts,
        checks=checks,
        remarks=(
            f"Copies of {len(chosen)} photos of 11 to 13 MP, {sum(map(len, photos)) / 1e6:.0f} MB in all; from the "
            "start of the task's process to its end, without the imitated bucket's own CPU time.",
        ),
    )


def sample_of(made: Round) -> Sample:
    """One task: its wall time without the imitation's share, its CPU time."""
    return Sample(
        cpu_s=made.task_cpu, wall_s=made.subtracted, extra={"with_bucket_s": made.wall, "bucket_cpu_s": made.bucket_cpu}
    )


def judged(found: dict[tuple[str, float], list[Round]]) -> tuple[dict[str, float], tuple[Check, ...]]:
    """Medians by way and rate, and at each rate how streaming stands to fetching ahead. Pure."""
    wall = {key: statistics.median(made.subtracted for made in rounds) for key, rounds in found.items()}
    cpu = {key: statistics.median(made.task_cpu for made in rounds) for key, rounds in found.items()}
    facts, checks = {}, []
    for rate in sorted({rate for _, rate in found}):
        speed = f"{rate / 1e6:g} MB/s"
        for way, label in WAYS.items():
            facts[f"{label}, {speed}, wall_s"] = wall[way, rate]
            facts[f"{label}, {speed}, cpu_s"] = cpu[way, rate]
        share = wall["stream", rate] / wall["ahead", rate]
        checks.append(
            Check(
                name=f"streaming over fetching ahead, end to end, {speed}",
                limit=f"at most {MOST:g}",
                value=share,
                unit="times",
                holds=share <= MOST,
            )
        )
    return facts, tuple(checks)
