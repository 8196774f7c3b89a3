"""The lines from which alerts are made: said while photos wait, in the words that the alerts' filters search for."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from core_library import Library

from backend.jobs.queue_monitor import PACE_SECONDS, STUCK_SECONDS, QueueMonitor

START = 1_700_000_000.0


def test_the_queue_is_told_of_while_photos_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backend.jobs.queue_monitor")
    library = Library(tmp_path / "library.db")
    watch = QueueMonitor(library.database)

    def told(at: float) -> list[str]:
        caplog.clear()
        library.run(watch.tell(START + at))
        return [record.getMessage() for record in caplog.records]

    assert told(0) == []  # nothing waits
    library.device("kitchen")
    first, second = library.add(1, 2, at=START)
    assert told(10) == ["[JobQueue] queue age: the oldest of 2 photos has waited 10 s"]
    assert caplog.records[0].fields == {"queue_age_seconds": 10, "queued_images": 2}  # type: ignore[attr-defined]
    assert told(20) == []  # it was told of a moment ago
    assert len(told(10 + PACE_SECONDS)) == 1
    assert len(told(STUCK_SECONDS - 1)) == 1

    stuck = "[JobQueue] images stuck: 2 photos wait, and for 16 min none was completed"
    assert stuck in told(STUCK_SECONDS + PACE_SECONDS)

    # One was completed a moment ago: however old the other is, it has its turn.
    at = START + 2 * STUCK_SECONDS
    library.by_hand("UPDATE images SET processing_status='complete', processed_at=:at WHERE id=:id", at=at, id=first)
    library.by_hand("UPDATE images SET processing_status='processing' WHERE id=:id", id=second)
    age = 2 * STUCK_SECONDS + PACE_SECONDS
    assert told(age) == [f"[JobQueue] queue age: the oldest of 1 photos has waited {age - 1:.0f} s"]
    library.by_hand("UPDATE images SET processing_status='complete'")
    assert told(age + PACE_SECONDS) == []
    library.close()
