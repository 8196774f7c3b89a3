"""The process of a contender: requests, responses, and every kind of failure."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.core.measure import ContenderFailed, Rejected, Worker

pytestmark = pytest.mark.server

ECHO = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "hello": answer = {"versions": {"echo": "1"}}
    elif asked["do"] == "no": answer = {"error": "cannot\\nread it"}
    elif asked["do"] == "grow": answer = {"length": len(bytearray(80_000_000))}
    else: answer = {"heard": asked["do"]}
    print(json.dumps(answer), flush=True)
"""


def worker(script: str, folder: Path) -> Worker:
    return Worker("tried", [sys.executable, "-c", script], folder)


def test_worker_answers_requests_and_ends(tmp_path: Path) -> None:
    with worker(ECHO, tmp_path) as one:
        assert one.versions == {"echo": "1"}
        assert one.ask({"do": "something"})["heard"] == "something"
        with pytest.raises(Rejected, match="tried: cannot read it"):
            one.ask({"do": "no"})
        before = one.ask({"do": "something"})["peak_rss_mb"]
        assert one.ask({"do": "grow"})["peak_rss_mb"] > before + 70
        assert one.ask({"do": "something"})["peak_rss_mb"] < before + 40  # what is over is not counted again
        process = one._process
    assert process.returncode == 0


def test_worker_that_dies_raises_with_its_stderr(tmp_path: Path) -> None:
    with pytest.raises(ContenderFailed, match=r"tried has ended.*no such library"):  # noqa: SIM117
        with worker("raise SystemExit('no such library')", tmp_path):
            pass


def test_worker_that_is_silent_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"""
import subprocess, sys, time, pathlib
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
for line in sys.stdin: print('{{}}', flush=True); break
time.sleep(60)
"""
    monkeypatch.setattr("bench.core.measure._END_SECONDS", 0.2)
    with pytest.raises(ContenderFailed, match="did not answer within 0 s"), worker(script, tmp_path) as one:
        one.ask({"do": "something"}, 0.3)
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 5
    while _alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _alive(child)


@pytest.mark.parametrize("line", ["not json", "[1, 2]"])
def test_worker_with_an_invalid_response_raises(tmp_path: Path, line: str) -> None:
    with pytest.raises(ContenderFailed, match="answered with"):  # noqa: SIM117
        with worker(f"import sys; sys.stdin.readline(); print({line!r}, flush=True); sys.stdin.read()", tmp_path):
            pass


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{process}")
