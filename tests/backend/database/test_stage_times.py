"""How long photos take in each stage: what a report leaves in the database, and what the latest have in common."""

from __future__ import annotations

import json
import time

import pytest

from backend.database.stage_times import PhotoTimes, StageTimes, summed_up
from contract.messages.processing import MAX_SECONDS, StageSeconds
from tests.support import server
from tests.support.task_calls import record, report

pytestmark = pytest.mark.server


def photo(number: int, **stages: float) -> PhotoTimes:
    """Queued at 100, claimed a second later, then half a second in the task's own queue and `number` at work."""
    return PhotoTimes(
        queued_at=100.0,
        claimed_at=101.0,
        processed_at=101.5 + number,
        task_seconds=float(number),
        stages=StageSeconds(decoding=float(number), **stages),
    )


def test_stages_are_told_by_median_and_the_95th_of_a_hundred() -> None:
    found = summed_up([photo(number, waiting=0.25, report=0.5) for number in range(100, 0, -1)])
    assert found.measured == 100
    work = {stage.name: (stage.median, stage.most) for stage in found.work}
    assert work["Decoding"] == (50.0, 95.0)
    assert work["Storing the pictures"] == (0.0, 0.0)
    assert work["Reporting the result"] == (0.5, 0.5)
    waiting = {stage.name: (stage.median, stage.most) for stage in found.waiting}
    assert waiting == {"In the queue": (1.0, 1.0), "In the task, for its turn": (0.75, 0.75)}
    assert found.whole is not None
    assert (found.whole.median, found.whole.most) == (52.0, 97.0)


def test_one_photo_none_and_clocks_that_differ() -> None:
    assert summed_up([]) == StageTimes(measured=0)
    alone = PhotoTimes(queued_at=200.0, claimed_at=100.0, processed_at=90.0, task_seconds=1.0, stages=StageSeconds())
    found = summed_up([alone])
    assert all((stage.median, stage.most) == (0.0, 0.0) for stage in (*found.waiting, *found.work))
    assert "Reporting the result" not in [stage.name for stage in found.work]  # nobody has told one


def test_a_report_leaves_its_stages_and_the_page_shows_them(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    stages = {"fetching": 0.125, "decoding": 0.0625, "colours": 0.03, "pictures": 0.25, "storing": 0.5}
    message["outcomes"][0] |= {"seconds": 1.0, "processedAt": time.time() - 2.0, "stages": stages}
    report(backend, message)
    kept = json.loads(backend.sql("SELECT stage_seconds FROM images")[0][0])
    assert {key: value for key, value in kept.items() if key != "report"} == stages
    assert 2.0 <= kept["report"] < 10.0
    before = record(backend)
    report(backend, message)  # told again, later: the first time counts
    assert record(backend) == before
    deadline = time.monotonic() + 10
    while "Of the 1 photo that" not in (text := backend.admin.get("/activity").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)  # the page looks no more than once a second
    for words in ("Decoding", "62 ms", "Cutting and encoding", "250 ms"):
        assert words in text
    (remembered,) = (backend.bucket / "images/records").glob("*.json")
    assert json.loads(remembered.read_bytes())["stages"] == kept


def test_stages_that_cannot_be_are_refused(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    message["outcomes"][0]["stages"] = {"decoding": -1}
    answer = backend.processor.post("/api/processed-images", json=message)
    assert answer.status_code == 422
    assert "decoding" in answer.text


def test_a_report_from_a_clock_that_was_never_set_is_read_again(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    message["outcomes"][0] |= {"seconds": 1.0, "processedAt": 1.0, "stages": {"decoding": 0.5}}
    report(backend, message)
    (remembered,) = (backend.bucket / "images/records").glob("*.json")
    assert json.loads(remembered.read_bytes())["stages"] == {"decoding": 0.5, "report": MAX_SECONDS}
    assert backend.admin.get("/activity").status_code == 200
