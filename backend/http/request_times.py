"""How long answers took, as a histogram for a scraper.

Every answer is counted, and some answers take some ten microseconds: the library's own histogram, which is there for
many threads, would take a tenth of those. Answers are counted in the event loop alone, without a lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BOUNDS = Histogram.DEFAULT_BUCKETS
"""Seconds, each the most that its bucket holds; the last is infinite."""
NAMES = tuple(map(floatToGoString, BOUNDS))


class _Times:
    def __init__(self) -> None:
        self.counts = [0] * len(BOUNDS)
        self.seconds = 0.0


class RequestTimes(Collector):
    """Counts answers by method, status and time."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._of: dict[tuple[str, int], _Times] = {}

    def add(self, method: str, status: int, seconds: float) -> None:
        """Count an answer of this status to a known HTTP method."""
        times = self._of.get((method, status))
        if times is None:
            times = self._of[method, status] = _Times()
        times.counts[bisect_left(BOUNDS, seconds)] += 1
        times.seconds += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What was counted so far, as a registry asks for it."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=["method", "status"])
        for (method, status), times in list(self._of.items()):
            buckets = list(zip(NAMES, map(float, accumulate(times.counts)), strict=True))
            family.add_metric([method, str(status)], buckets, times.seconds)
        yield family
