"""Images per second with one and with two images in flight."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from bench.cases.image import large_jpegs
from bench.contenders.race import start, wire_outputs
from bench.core.measure import ContenderFailed, Rejected
from bench.core.results import CaseFailed, CaseResult, Check, Sample, Series, at_least
from bench.core.runner import Context

NAME = "throughput"
SUMMARY = "images per second with one and with two in flight: ours, the legacy system, sharp tuned"

AMONG = ("ours", "model", "sharp-tuned")
IN_FLIGHT = (1, 2)
MAX_PHOTOS = 12
TIMES_OVER = 4
"""Number of times that each photo is rendered.

At the end of a run, one core waits for the other. Repetition makes this time a small part of the run.
"""
_SECONDS_A_PHOTO = 20.0
MIN_RATIO = 1.9
MIN_OF_LEGACY = 5.0


def run(context: Context) -> CaseResult:
    """In each round every contender renders all photos several times, with one and with two in flight."""
    photos = large_jpegs(context.photos)[:MAX_PHOTOS]
    if not photos:
        raise CaseFailed("the samples contain no JPEG photo of at least 8 megapixels")
    work = photos * TIMES_OVER
    paths = [str(photo.path.resolve()) for photo in work]
    request = {"do": "many", "paths": paths, "outputs": wire_outputs()}
    warm_up = request | {"paths": paths[: len(photos)], "in_flight": 2}
    samples: dict[tuple[str, int], list[Sample]] = {}
    with ExitStack() as stack:
        runners = start(stack, context, AMONG)
        names = list(runners.workers)
        seconds = _SECONDS_A_PHOTO * len(work)
        try:
            for name in names:
                runners.workers[name].ask(warm_up, seconds)
            for number in range(context.rounds):
                first = number % len(names)
                for name in (*names[first:], *names[:first]):
                    for in_flight in IN_FLIGHT if number % 2 == 0 else reversed(IN_FLIGHT):
                        answer = runners.workers[name].ask(request | {"in_flight": in_flight}, seconds)
                        sample = Sample(
                            cpu_s=answer["cpu_s"] / len(work),
                            wall_s=answer["wall_s"] / len(work),
                            peak_rss_mb=answer["peak_rss_mb"],
                            extra={"images_per_s": len(work) / answer["wall_s"]},
                        )
                        samples.setdefault((name, in_flight), []).append(sample)
                context.report(f"  round {number + 1} of {context.rounds}: {len(photos)} photos, {', '.join(names)}")
        except (ContenderFailed, Rejected) as error:
            raise CaseFailed(str(error)) from error
    facts, checks = judged(samples)
    return CaseResult(
        case=NAME,
        series=tuple(
            Series(
                contender=f"{name}, {in_flight} in flight",
                subject=f"{len(photos)} photos, {TIMES_OVER} times over",
                samples=tuple(own),
                notes="times are per image",
            )
            for (name, in_flight), own in samples.items()
        ),
        facts=facts,
        checks=checks,
        missing=runners.missing,
        versions=runners.versions,
        remarks=("The gain from two images in flight needs two free cores; other programs on the machine lower it.",),
    )


def judged(samples: dict[tuple[str, int], list[Sample]]) -> tuple[dict[str, float], tuple[Check, ...]]:
    """Return the medians of images per second, and the checks of both targets. Pure."""
    rates = {key: median(sample.extra["images_per_s"] for sample in own) for key, own in samples.items()}
    facts = {f"{name}: images per second, {count} in flight": rate for (name, count), rate in rates.items()}
    checks = []
    # Reports find the figures by these names. "Over" and "beside" mean "divided by"; "the model" is the legacy system.
    if ("ours", 2) in rates:
        gain = rates["ours", 2] / rates["ours", 1]
        facts["ours: two in flight over one"] = gain
        checks.append(at_least("two in flight over one", gain, MIN_RATIO))
    if ("ours", 2) in rates and ("model", 2) in rates:
        multiple = rates["ours", 2] / rates["model", 2]
        facts["images per second beside the model's, two in flight"] = multiple
        checks.append(at_least("images per second beside the model's, two in flight", multiple, MIN_OF_LEGACY))
    return facts, tuple(checks)
