"""Freed memory goes back to the operating system, though something above it is still in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processor.pool import process

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import resource
from pathlib import Path
from processor.pool.process import EVERY, image_rendered

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

pieces = [bytes(60_000) for _ in range(2000)]
del pieces[:-1]  # what lies highest stays, and all below it is free
before = resident_mb()
for _ in range(EVERY):
    image_rendered()
print(before - resident_mb())
"""


@pytest.mark.server
@pytest.mark.skipif(process._malloc_trim is None, reason="this C library has no malloc_trim")
def test_what_was_freed_below_something_in_use_is_given_back() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert float(told.stdout) > 80


def test_without_such_a_call_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_malloc_trim", None)
    for _ in range(2 * process.EVERY):
        process.image_rendered()
