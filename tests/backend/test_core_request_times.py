"""The histogram of answers says what the library's own would say."""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.samples import Sample

from backend.http.request_times import BOUNDS, RequestTimes


def _samples(registry: CollectorRegistry) -> list[Sample]:
    return sorted(
        (sample for family in registry.collect() for sample in family.samples if not sample.name.endswith("_created")),
        key=repr,
    )


def test_it_counts_as_the_librarys_own_histogram_does() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    times = RequestTimes("seconds", "Time to answer")
    ours.register(times)
    expected = Histogram("seconds", "Time to answer", ["method", "status"], registry=theirs)
    chance = random.Random(7)
    told = [chance.expovariate(1) ** 3 for _ in range(300)] + [0.0, *BOUNDS[:-1], 1e9]
    for seconds in told:
        method, status = chance.choice(("GET", "POST")), chance.choice((200, 304, 503))
        times.add(method, status, seconds)
        expected.labels(method, str(status)).observe(seconds)
    assert _samples(ours) == _samples(theirs)


def test_nothing_was_counted_yet() -> None:
    registry = CollectorRegistry()
    registry.register(RequestTimes("seconds", "Time to answer"))
    assert _samples(registry) == []
