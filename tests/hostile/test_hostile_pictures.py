"""Mutated pictures, bombs and odd files: each is rendered or rejected with a sentence, within all limits."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import mutations

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
"""Maximum wall time of one picture, with a reserve for busy machines; `MAX_CPU_SECONDS` limits its CPU time."""
MAX_CPU_SECONDS = 10.0
MAX_MB = 1024


def work(*arguments: object) -> list[dict[str, Any]]:
    """Return the outcome of each picture. Raises AssertionError that names one which crashed or hung the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.picture_worker", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        threading.Thread(target=lambda out=process.stdout: [*map(lines.put, out), lines.put("")]),
        threading.Thread(target=lambda out=process.stderr: errors.extend(out)),
    ]
    for reader in readers:
        reader.start()
    outcomes, last = [], "the first picture"
    try:
        while line := lines.get(timeout=SECONDS):
            if line.startswith("begin "):
                last = line.removeprefix("begin ").strip()
            else:
                outcomes.append(json.loads(line))
        code = process.wait(SECONDS)
    except queue.Empty:
        raise AssertionError(f"{last} took more than {SECONDS:g} s") from None
    finally:
        process.kill()
        for reader in readers:
            reader.join(10)
    assert code == 0, f"{last} ended the process with {code}: {''.join(errors[-20:])}"
    return outcomes


def check(outcomes: Sequence[dict[str, Any]]) -> None:
    """Check the sentence, time and memory of each outcome."""
    assert outcomes
    for outcome in outcomes:
        sentence, name = outcome["sentence"], outcome["name"]
        assert not sentence or (sentence.startswith(name + " ") and sentence.endswith(".")), outcome
        assert sentence.isprintable(), outcome
        assert "Traceback" not in sentence, outcome
        assert outcome["seconds"] < MAX_CPU_SECONDS, outcome
        assert outcome["peak_mb"] < MAX_MB, outcome


def written(folder: Path, *, large: bool) -> list[Path]:
    """Write the bombs to files; those of 99 megapixels take a while."""
    paths = []
    for name, data in mutations.bombs(large=large):
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    return paths


def test_mutated_pictures_are_rendered_or_rejected_with_a_sentence() -> None:
    outcomes = work(0, 150)
    check(outcomes)
    assert len(outcomes) == 150
    rejected = [outcome for outcome in outcomes if outcome["sentence"]]
    assert 30 < len(rejected) < 140, "if all mutations fail, or none, they test little"


def test_small_bombs_stay_within_the_limits(tmp_path: Path) -> None:
    check(work(*written(tmp_path, large=False)))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(6))
def test_6000_mutated_pictures_stay_within_the_limits(part: int) -> None:
    outcomes = work(1000 * (part + 1), 1000)
    check(outcomes)
    assert len(outcomes) == 1000


@pytest.mark.long
@pytest.mark.timeout(600)
def test_large_bombs_stay_within_the_limits(tmp_path: Path) -> None:
    check(work(*written(tmp_path, large=True)))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif("SLIDESHOW_SAMPLES" not in os.environ, reason="SLIDESHOW_SAMPLES names no folder of odd photos")
def test_odd_photos_are_rendered_or_rejected_with_a_sentence() -> None:
    odd = sorted(path for path in (Path(os.environ["SLIDESHOW_SAMPLES"]) / "odd").iterdir() if path.is_file())
    assert odd
    outcomes = work(*odd)
    check(outcomes)
    assert len(outcomes) == len(odd)
