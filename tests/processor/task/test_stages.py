"""Stage timings of a photo: each moment counts for exactly one stage."""

from __future__ import annotations

import time

import msgspec
import pytest

from contract import object_names
from contract.bucket.port import ByteWriter
from contract.messages.processing import StageSeconds
from contract.messages.sidecars import Sidecar
from processor.timings import Stopwatch
from tests.support.task_world import World, jpeg

pytestmark = pytest.mark.server

SLOW = 0.3
"""Seconds of a download here, far longer than all other stages."""


def test_stopwatch_counts_each_moment_once() -> None:
    moments = iter((10.0, 11.0, 13.0, 16.0, 20.0))
    watch = Stopwatch(lambda: next(moments))
    for stage in ("fetching", "decoding", "pictures", "decoding"):
        watch.passed(stage)  # type: ignore[arg-type]
    watch.move(1.5, "decoding", "fetching")
    assert watch.stages() == StageSeconds(fetching=2.5, decoding=4.5, pictures=3.0)
    watch.move(99.0, "pictures", "fetching")
    assert watch.stages() == StageSeconds(fetching=5.5, decoding=4.5)
    assert watch.total == 10.0


@pytest.mark.parametrize("streams", [True, False])
def test_task_stages_add_up_to_the_total(world: World, monkeypatch: pytest.MonkeyPatch, streams: bool) -> None:
    """A slow download counts as fetching, also if the photo is decoded during the download."""
    record = world.add(jpeg(1, width=1600, height=1200), "one.jpg")
    read, download_to = world.bucket.read, world.bucket.download_to

    def slow_read(name: str, limit: int | None = None) -> bytes:
        time.sleep(SLOW)
        return read(name, limit)

    class Slow:
        def __init__(self, writer: ByteWriter) -> None:
            self._writer = writer

        def write(self, data: bytes) -> None:
            half = len(data) // 2
            self._writer.write(data[:half])
            time.sleep(SLOW)
            self._writer.write(data[half:])

    monkeypatch.setattr(world.bucket, "read", slow_read)
    monkeypatch.setattr(
        world.bucket, "download_to", lambda name, writer, limit=None: download_to(name, Slow(writer), limit)
    )
    assert world.run(streams=streams)[0] == 0
    assert record.outcome is not None
    stages, seconds = record.outcome.stages, record.outcome.seconds
    assert stages is not None
    by_stage: dict[str, float] = msgspec.to_builtins(stages)
    assert set(by_stage) == {"waiting", "fetching", "announcing", "decoding", "colours", "pictures", "storing"}
    assert sum(by_stage.values()) == pytest.approx(seconds, abs=0.001)
    assert stages.fetching > 0.9 * SLOW
    assert stages.decoding < SLOW
    sidecar = msgspec.json.decode(world.bucket.read(object_names.sidecar(record.id)), type=Sidecar)
    assert (sidecar.stages, sidecar.seconds) == (stages, seconds)


def test_task_quarantined_image_reports_no_stages(world: World) -> None:
    record = world.add(jpeg(1), "suspect.jpg", suspect=True)
    assert world.run()[0] == 0
    assert record.outcome is not None
    assert record.outcome.stages is None
    assert record.outcome.seconds > 0
