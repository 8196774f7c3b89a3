"""The stages that a task is timed by: their names are those of the processor of today, and spans add up."""

from __future__ import annotations

import asyncio
import time
import types
from pathlib import Path

import pytest

from bench.system.stages import RENDER_STAGES, STAGES, Recorder, TimedBucket, locate, read_spans, sums


@pytest.mark.parametrize(("stage", "module", "path"), [*STAGES, *RENDER_STAGES])
def test_stages_name_existing_functions(stage: str, module: str, path: str) -> None:
    owner, name = locate(stage, module, path)
    assert callable(getattr(owner, name))


def test_locate_of_a_missing_function_raises() -> None:
    with pytest.raises(LookupError, match="decode"):
        locate("decode", "processor.render.pipeline", "no_such_step")


class Worker:
    def work(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    async def wait(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"


def test_recorder_adds_spans_of_functions_and_coroutines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_timed_bucket_forwards_and_adds_spans(tmp_path: Path) -> None:
    from contract.bucket.disk import DiskBucket

    recorder = Recorder()
    bucket = TimedBucket(DiskBucket(tmp_path.as_uri()), recorder)
    bucket.create("images/originals/a.jpg", b"bytes", "image/jpeg")
    assert bucket.read("images/originals/a.jpg") == b"bytes"
    assert bucket.url == tmp_path.as_uri()
    assert [span.stage for span in recorder.spans] == ["store", "fetch"]
