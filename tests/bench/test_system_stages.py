"""The stages that a task is timed by: their names are those of the processor of today, and spans add up."""

from __future__ import annotations

import asyncio
import time
import types
from pathlib import Path

import pytest

from bench.system.stages import RENDER_STAGES, STAGES, Recorder, TimedBucket, found, read_spans, sums


@pytest.mark.parametrize(("stage", "module", "path"), [*STAGES, *RENDER_STAGES])
def test_every_stage_names_a_function_of_today(stage: str, module: str, path: str) -> None:
    owner, name = found(stage, module, path)
    assert callable(getattr(owner, name))


def test_a_stage_that_is_gone_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(LookupError, match="decode"):
        found("decode", "processor.render.pipeline", "no_such_step")


class Worker:
    def work(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    async def wait(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"


def test_calls_leave_spans_whether_they_work_or_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, module = Recorder(), types.ModuleType("made_for_a_test")
    kind = type("Worker", (Worker,), {"work": Worker.work, "wait": Worker.wait})
    module.Worker = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    recorder.wrap([("working", module.__name__, "Worker.work"), ("waiting", module.__name__, "Worker.wait")])
    worker = kind()
    assert worker.work(0.01) == "done"
    assert worker.work(0.01) == "done"
    assert asyncio.run(worker.wait(0.02)) == "waited"
    recorder.write(tmp_path)
    (spans,) = read_spans(tmp_path).values()
    assert [span.stage for span in spans] == ["working", "working", "waiting"]
    found_sums = sums(spans)
    assert 0.02 <= found_sums["working"][0] < 1
    assert 0.02 <= found_sums["waiting"][0] < 1
    assert found_sums["working"][1] < found_sums["working"][0]


def test_a_timed_bucket_is_the_bucket(tmp_path: Path) -> None:
    from contract.bucket.disk import DiskBucket

    recorder = Recorder()
    bucket = TimedBucket(DiskBucket(tmp_path.as_uri()), recorder)
    bucket.create("images/originals/a.jpg", b"bytes", "image/jpeg")
    assert bucket.read("images/originals/a.jpg") == b"bytes"
    assert bucket.url == tmp_path.as_uri()
    assert [span.stage for span in recorder.spans] == ["store", "fetch"]
