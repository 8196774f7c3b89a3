"""One photo's spans, from the upload to the report, form one tree; log lines name the trace."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract import tracing
from contract.logs import _JsonLines
from tests.support import server
from tests.support.small_photos import photo

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"


def spans_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.server
def test_spans_of_one_photo_form_one_tree(tmp_path: Path) -> None:
    exported = tmp_path / "spans.jsonl"
    with server.running(tmp_path / "data", TRACE_EXPORT=str(exported)) as backend:
        backend.add_device("frame", 80, 48)
        body = {"file": ("a.jpg", photo(1))}
        backend.admin.post("/api/admin/upload", files=body, headers={"traceparent": CALLER}).raise_for_status()
        task = subprocess.run(
            [sys.executable, "-m", "processor"],
            env={
                **os.environ,
                "BACKEND_API_URL": str(backend.anonymous.base_url),
                "BACKEND_AUTH_TOKEN": backend.secrets["processor_token"],
                "BUCKET_URL": backend.bucket.as_uri(),
                "SLIDESHOW_LOCAL_TASK": "1",
                "TRACE_EXPORT": str(exported),
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert task.returncode == 0, task.stderr
        assert backend.sql("SELECT processing_status FROM images") == [("complete",)]
    spans = spans_of(exported)
    by_id = {span["context"]["span_id"]: span for span in spans}
    chain = [(span["name"], by_id[span["parent_id"]]["name"] if span["parent_id"] in by_id else "") for span in spans]
    assert sorted(chain) == sorted(
        [("upload", ""), ("queue", "upload"), ("claim", "queue"), ("render", "claim"), ("report", "render")]
    )
    assert {span["context"]["trace_id"] for span in spans} == {f"0x{TRACE}"}
    (upload,) = (span for span in spans if span["name"] == "upload")
    assert upload["parent_id"] == "0xb7ad6b7169203331", "the caller's span is the root"
    services = {span["name"]: span["resource"]["attributes"]["service.name"] for span in spans}
    assert services["claim"] == "slideshow-backend"
    assert services["report"] == "slideshow-processor"
    assert all(span["start_time"] <= span["end_time"] for span in spans)


@pytest.mark.server
def test_file_that_cannot_be_written_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    ended = server.run_to_end(tmp_path / "data", TRACE_EXPORT=str(tmp_path / "missing" / "spans.jsonl"))
    assert ended.returncode == 2
    assert ended.stderr.startswith("TRACE_EXPORT: the file cannot be written: ")


def test_without_export_nothing_is_recorded() -> None:
    with tracing.span("render", CALLER) as context:
        assert context == ""
    assert tracing.past_span("queue", CALLER, 1.0, 2.0) == ""


@pytest.mark.parametrize(
    ("header", "cloud", "expected"),
    [
        (CALLER, None, TRACE),
        (None, f"{TRACE}/123;o=1", TRACE),
        ("00-xyz", None, ""),
        (f"{CALLER}\nx", "short", ""),
        (None, None, ""),
    ],
)
def test_log_line_names_the_trace_the_execution_and_the_task(
    header: str | None, cloud: str | None, expected: str
) -> None:
    environ = {"GCP_PROJECT_ID": "my-photos", "CLOUD_RUN_EXECUTION": "slideshow-x", "CLOUD_RUN_TASK_INDEX": "3"}
    tracing.join(header, cloud)
    try:
        record = logging.LogRecord("x", logging.INFO, "", 0, "done", None, None)
        line = json.loads(_JsonLines(environ).format(record))
    finally:
        tracing.join(None)
    assert line.get("logging.googleapis.com/trace", "") == (f"projects/my-photos/traces/{expected}" if expected else "")
    assert (line["execution"], line["task"]) == ("slideshow-x", "3")
