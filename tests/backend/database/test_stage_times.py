"""Stage times: their storage by a report, and their summary over the latest photos."""

from __future__ import annotations

import json
import time

import pytest

from backend.database.stage_times import PhotoTimes, StageTimes, summarize
from contract.messages.processing import MAX_SECONDS, StageSeconds
from tests.support import server
from tests.support.task_calls import record, report


def photo(number: int, **stages: float) -> PhotoTimes:
    """Return a photo queued at 100, claimed 1 s later, half a second in the task's queue and `number` s rendered."""
    return PhotoTimes(
        queued_at=100.0,
        claimed_at=101.0,
        processed_at=101.5 + number,
        task_seconds=float(number),
        stages=StageSeconds(decoding=float(number), **stages),
    )


def test_summarize_returns_median_and_95th_percentile() -> None:
    found = summarize([photo(number, waiting=0.25, report=0.5) for number in range(100, 0, -1)])
    assert found.measured == 100
    work = {stage.name: (stage.median, stage.p95) for stage in found.work}
    assert work["Decoding"] == (50.0, 95.0)
    assert work["Storing the pictures"] == (0.0, 0.0)
    assert work["Reporting the result"] == (0.5, 0.5)
    waiting = {stage.name: (stage.median, stage.p95) for stage in found.waiting}
    assert waiting == {"In the queue": (1.0, 1.0), "In the task, for its turn": (0.75, 0.75)}
    assert found.whole is not None
    assert (found.whole.median, found.whole.p95) == (52.0, 97.0)


def test_summarize_with_one_or_no_photo_and_different_clocks() -> None:
    assert summarize([]) == StageTimes(measured=0)
    alone = PhotoTimes(queued_at=200.0, claimed_at=100.0, processed_at=90.0, task_seconds=1.0, stages=StageSeconds())
    found = summarize([alone])
    assert all((stage.median, stage.p95) == (0.0, 0.0) for stage in (*found.waiting, *found.work))
    assert "Reporting the result" not in [stage.name for stage in found.work]  # no task reported it


@pytest.mark.server
def test_report_stores_stages_and_the_page_shows_them(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    stages = {"fetching": 0.125, "decoding": 0.0625, "colours": 0.03, "pictures": 0.25, "storing": 0.5}
    message["outcomes"][0] |= {"seconds": 1.0, "processedAt": time.time() - 2.0, "stages": stages}
    report(backend, message)
    stored = json.loads(backend.sql("SELECT stage_seconds FROM images")[0][0])
    assert {key: value for key, value in stored.items() if key != "report"} == stages
    assert 2.0 <= stored["report"] < 10.0
    before = record(backend)
    report(backend, message)  # a repetition: the time of the first report counts
    assert record(backend) == before
    deadline = time.monotonic() + 10
    while "over the last 1 processed photo" not in (text := backend.admin.get("/activity").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)  # the page is updated at most once a second
    for text_part in ("Decoding", "62 ms", "Cutting and encoding", "250 ms"):
        assert text_part in text
    (record_file,) = (backend.bucket / "images/records").glob("*.json")
    assert json.loads(record_file.read_bytes())["stages"] == stored


@pytest.mark.server
def test_report_with_negative_stage_is_rejected(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    message["outcomes"][0]["stages"] = {"decoding": -1}
    answer = backend.processor.post("/api/processed-images", json=message)
    assert answer.status_code == 422
    assert "decoding" in answer.text


@pytest.mark.server
def test_report_from_wrong_clock_can_be_read_back(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    message["outcomes"][0] |= {"seconds": 1.0, "processedAt": 1.0, "stages": {"decoding": 0.5}}
    report(backend, message)
    (record_file,) = (backend.bucket / "images/records").glob("*.json")
    assert json.loads(record_file.read_bytes())["stages"] == {"decoding": 0.5, "report": MAX_SECONDS}
    assert backend.admin.get("/activity").status_code == 200
