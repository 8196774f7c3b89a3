"""The contents of the activity page: reasons that photos share, durations, and the cost so far."""

from __future__ import annotations

from dataclasses import dataclass

from backend.database.activity import group_failures, reason_of
from backend.database.images import QueueLoad
from backend.jobs.bill import TASK
from backend.pages.activity_view import cost_so_far, waiting_sentence
from backend.pages.formatting import ago, counted, duration, moment, size


@dataclass
class Execution:
    """An execution."""

    tasks: int
    started_at: float
    finished_at: float | None
    state: str = "succeeded"
    cloud_execution: str | None = "projects/p/locations/l/jobs/j/executions/e"


def test_grouped_similar_failures_share_a_reason() -> None:
    groups = group_failures(
        [
            ("1", "a.jpg", "a.jpg: the file is truncated at byte 1,234,567"),
            ("2", "b b.jpg", "b b.jpg: the file is truncated at byte 9999"),
            ("3", "c.png", "c.png is damaged or cut off."),
            ("4", "d.png", ""),
        ]
    )
    assert [(group.reason, group.photos, group.filename) for group in groups] == [
        ("The file is truncated at byte …", 2, "a.jpg"),
        ("It is damaged or cut off.", 1, "c.png"),
        ("The reason is not known", 1, "d.png"),
    ]
    assert reason_of("the bucket refuses gs://x/y.jpg for x.jpg", "x.jpg") == "The bucket refuses … for …"


def test_cost_so_far_short_task_is_billed_for_a_minute() -> None:
    executions = [
        Execution(2, 0.0, 10.0),
        Execution(1, 0.0, 90.0),
        Execution(1, 940.0, None),
        Execution(4, 0.0, 5.0, "failed", None),
    ]
    cost = cost_so_far(executions, 1000.0, in_cloud=True)
    assert cost.dollars == (2 * 60 + 90 + 60) * TASK.second
    assert cost.sentence.startswith("3 executions in the last 30 days, 4.5 billed minutes for tasks of 2 vCPU")
    local = cost_so_far(executions[:1], 1000.0, in_cloud=False)
    assert local.dollars == 0
    assert f"${120 * TASK.second:,.4f}" in local.sentence


def test_formatting_numbers_times_and_sizes() -> None:
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
    assert waiting_sentence(QueueLoad(0, None, 0.0, 0.0), 5) == ""
    assert waiting_sentence(QueueLoad(2, 0.0, 24.0, 0.0), 5) == "2 photos of 24 megapixels in all, the first for 5.0 s."
