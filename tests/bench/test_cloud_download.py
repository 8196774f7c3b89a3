"""The verdict about streamed and prefetched downloads."""

from __future__ import annotations

import pytest

from bench.cases.download import judged
from emulators.latency import Round


@pytest.mark.parametrize(("streamed", "holds"), [(9.0, True), (10.4, True), (10.6, False)])
def test_judged_allows_streaming_five_percent_more(streamed: float, holds: bool) -> None:
    found = {
        (way, rate): [Round(wall=wall, task_cpu=4.0, bucket_cpu=0.0)]
        for rate in (20e6, 50e6)
        for way, wall in (("stream", streamed if rate == 50e6 else 8.0), ("ahead", 10.0))
    }
    facts, (slow, fast) = judged(found)
    assert (slow.holds, slow.value) == (True, 0.8)
    assert fast.holds is holds
    assert fast.name == "streaming over fetching ahead, end to end, 50 MB/s"
    assert facts["ours, streamed, 50 MB/s, wall_s"] == streamed
