"""Downloads: photos that are rendered while they download (streamed), compared with prefetched photos.

One task with two threads reads from the Cloud Storage emulator, with 30 ms latency and at three rates. Both ways
alternate in every round. The emulator runs on the same CPUs, so its CPU time is subtracted from the wall time. The
end-to-end time decides the default: streaming, unless prefetching is more than 5 % faster.
"""

from __future__ import annotations

import statistics

from bench.core.results import CaseResult, Check, Sample, Series, at_most
from bench.core.runner import Context
from bench.system.photos import LARGE_MEGAPIXELS, copies, nearest
from bench.system.rounds import whole_system
from emulators.cloud_storage.server import gcs_process
from emulators.latency import BUCKET, Round, measure

NAME = "download"
SUMMARY = "one task with a bucket 30 ms away, at 20, 50 and 200 MB/s: streamed and prefetched photos"

PHOTOS = 24
LATENCY_S = 0.030
RATES = (20e6, 50e6, 200e6)
WAYS = {"stream": "ours, streamed", "ahead": "ours, fetched ahead"}
MAX_RATIO = 1.05


@whole_system(NAME)
def run(context: Context) -> CaseResult:
    """Measure `context.rounds` rounds of each way at each rate."""
    chosen = nearest(context.photos, LARGE_MEGAPIXELS)
    photos = [path.read_bytes() for path in copies(chosen, PHOTOS, context.scratch / "photos")]
    rounds_by_way: dict[tuple[str, float], list[Round]] = {}
    for number in range(context.rounds):
        for rate in RATES:
            for way in list(WAYS) if number % 2 == 0 else reversed(WAYS):
                with gcs_process(BUCKET, latency=LATENCY_S, rate=rate) as emulator:
                    environ = {"BUCKET_URL": f"gs://{BUCKET}", "STORAGE_EMULATOR_HOST": emulator.url}
                    measured = measure(photos, environ | {"PROCESSOR_DOWNLOAD": way}, emulator)
                rounds_by_way.setdefault((way, rate), []).append(measured)
                context.report(
                    f"round {number + 1} of {context.rounds}, {rate / 1e6:g} MB/s, {WAYS[way]}: "
                    f"{measured.subtracted:.2f} s, {measured.task_cpu:.2f} CPU s"
                )
    facts, checks = judged(rounds_by_way)
    return CaseResult(
        case=NAME,
        series=tuple(
            Series(
                contender=WAYS[way],
                subject=f"{PHOTOS} photos of 12 MP, {rate / 1e6:g} MB/s",
                group=f"{rate / 1e6:g} MB/s",
                samples=tuple(map(sample_of, rounds)),
            )
            for (way, rate), rounds in rounds_by_way.items()
        ),
        facts=facts,
        checks=checks,
        remarks=(
            f"Copies of {len(chosen)} photos of 11 to 13 MP, {sum(map(len, photos)) / 1e6:.0f} MB in total. Time "
            "from the start of the task's process to its end, without the CPU time of the emulated bucket.",
        ),
    )


def sample_of(measured: Round) -> Sample:
    """Return a round as a sample. The wall time is without the emulator's CPU time."""
    return Sample(
        cpu_s=measured.task_cpu,
        wall_s=measured.subtracted,
        extra={"with_bucket_s": measured.wall, "bucket_cpu_s": measured.bucket_cpu},
    )


def judged(measured: dict[tuple[str, float], list[Round]]) -> tuple[dict[str, float], tuple[Check, ...]]:
    """Return the medians by way and rate, and a check of streaming against prefetching at each rate. Pure."""
    wall = {key: statistics.median(each.subtracted for each in rounds) for key, rounds in measured.items()}
    cpu = {key: statistics.median(each.task_cpu for each in rounds) for key, rounds in measured.items()}
    facts, checks = {}, []
    for rate in sorted({rate for _, rate in measured}):
        speed = f"{rate / 1e6:g} MB/s"
        for way, label in WAYS.items():
            facts[f"{label}, {speed}, wall_s"] = wall[way, rate]
            facts[f"{label}, {speed}, cpu_s"] = cpu[way, rate]
        ratio = wall["stream", rate] / wall["ahead", rate]
        checks.append(at_most(f"streaming over fetching ahead, end to end, {speed}", ratio, MAX_RATIO))
    return facts, tuple(checks)
