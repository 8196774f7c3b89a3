"""The log lines on which alerts are based: they match the filters of the log metrics."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from backend.jobs.queue_monitor import LOG_INTERVAL_SECONDS, STUCK_SECONDS, QueueMonitor
from tests.support.core_library import Library

START = 1_700_000_000.0


def test_queue_monitor_logs_while_photos_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backend.jobs.queue_monitor")
    library = Library(tmp_path / "library.db")
    watch = QueueMonitor(library.database)

    def logged(at: float) -> list[str]:
        caplog.clear()
        library.run(watch.log_age(START + at))
        return [record.getMessage() for record in caplog.records]

    assert logged(0) == []  # nothing waits
    library.device("kitchen")
    first, second = library.add(1, 2, at=START)
    assert logged(10) == ["[JobQueue] queue age: the oldest of 2 photos has waited 10 s"]
    assert caplog.records[0].fields == {"queue_age_seconds": 10, "queued_images": 2}  # type: ignore[attr-defined]
    assert logged(20) == []  # the last line is too recent
    assert len(logged(10 + LOG_INTERVAL_SECONDS)) == 1
    assert len(logged(STUCK_SECONDS - 1)) == 1

    stuck = "[JobQueue] images stuck: 2 photos wait, and none was completed for 16 min"
    assert stuck in logged(STUCK_SECONDS + LOG_INTERVAL_SECONDS)

    # One was completed just now, so the other is not stuck, however old it is.
    at = START + 2 * STUCK_SECONDS
    library.by_hand("UPDATE images SET processing_status='complete', processed_at=:at WHERE id=:id", at=at, id=first)
    library.by_hand("UPDATE images SET processing_status='processing' WHERE id=:id", id=second)
    age = 2 * STUCK_SECONDS + LOG_INTERVAL_SECONDS
    assert logged(age) == [f"[JobQueue] queue age: the oldest of 1 photos has waited {age - 1:.0f} s"]
    library.by_hand("UPDATE images SET processing_status='complete'")
    assert logged(age + LOG_INTERVAL_SECONDS) == []
    library.close()
