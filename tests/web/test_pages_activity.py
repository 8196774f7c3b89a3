"""What the activity page says: reasons that photos share, the way's stages, and the bill so far."""

from __future__ import annotations

from dataclasses import dataclass

from backend.database.activity import group_failures, reason_of
from backend.database.images import QueueLoad
from backend.jobs.bill import TASK
from backend.pages.activity_view import cost_so_far, waiting_words
from backend.pages.formatting import ago, counted, duration, moment, size


@dataclass
class Ran:
    """An execution."""

    tasks: int
    started_at: float
    finished_at: float | None
    state: str = "succeeded"
    cloud_execution: str | None = "projects/p/locations/l/jobs/j/executions/e"


def test_photos_that_failed_alike_share_a_reason() -> None:
    found = group_failures(
        [
            ("1", "a.jpg", "a.jpg: the file is truncated at byte 1,234,567"),
            ("2", "b b.jpg", "b b.jpg: the file is truncated at byte 9999"),
            ("3", "c.png", "c.png is damaged or cut off."),
            ("4", "d.png", ""),
        ]
    )
    assert [(one.reason, one.photos, one.filename) for one in found] == [
        ("The file is truncated at byte …", 2, "a.jpg"),
        ("It is damaged or cut off.", 1, "c.png"),
        ("The reason is not known", 1, "d.png"),
    ]
    assert reason_of("the bucket refuses gs://x/y.jpg for x.jpg", "x.jpg") == "The bucket refuses … for …"


def test_each_task_is_billed_for_a_minute_at_least() -> None:
    ran = [Ran(2, 0.0, 10.0), Ran(1, 0.0, 90.0), Ran(1, 940.0, None), Ran(4, 0.0, 5.0, "failed", None)]
    told = cost_so_far(ran, 1000.0, in_cloud=True)
    assert told.dollars == (2 * 60 + 90 + 60) * TASK.second
    assert told.sentence.startswith("3 executions in the last 30 days, 4.5 minutes as billed for tasks of 2 vCPU")
    local = cost_so_far(ran[:1], 1000.0, in_cloud=False)
    assert local.dollars == 0
    assert f"${120 * TASK.second:,.4f}" in local.sentence


def test_numbers_read_as_people_say_them() -> None:
    assert counted(1, "photo") == "1 photo"
    assert counted(1234, "photo") == "1,234 photos"
    assert counted(2, "retry", "retries") == "2 retries"
    assert [duration(seconds) for seconds in (-1, 0.34, 2.44, 60, 600, 7200, 200_000)] == [
        "0 ms", "340 ms", "2.4 s", "60 s", "10 min", "2 h", "2 days",
    ]  # fmt: skip
    assert [size(number) for number in (999, 1000, 999_400, 3_140_000, 2_000_000_000)] == [
        "999 bytes", "1 kB", "999 kB", "3.14 MB", "2 GB",
    ]  # fmt: skip
    assert moment(0) == "1970-01-01 00:00"
    assert (ago(10, 10.5), ago(10, 70)) == ("just now", "60 s ago")
    assert waiting_words(QueueLoad(0, None, 0.0, 0.0), 5) == ""
    assert waiting_words(QueueLoad(2, 0.0, 24.0, 0.0), 5) == "2 photos of 24 megapixels in all, the first for 5.0 s."
