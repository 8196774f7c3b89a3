"""Freed memory is returned to the operating system, even below a block in use."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from processor.pool import memory_budget

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import resource
from pathlib import Path
from processor.pool.memory_budget import TRIM_EVERY, trim_after_image

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

pieces = [bytes(60_000) for _ in range(2000)]
del pieces[:-1]  # the block at the highest address stays, and all blocks below it are free
before = resident_mb()
for _ in range(TRIM_EVERY):
    trim_after_image()
print(before - resident_mb())
"""


@pytest.mark.server
@pytest.mark.skipif(memory_budget._malloc_trim is None, reason="this C library has no malloc_trim")
def test_trim_after_image_returns_memory_below_a_block_in_use() -> None:
    measured = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert float(measured.stdout) > 80


@pytest.mark.parametrize("every", [1, 3])
def test_trim_after_image_calls_malloc_trim_for_every_nth_image(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    calls: list[int] = []
    monkeypatch.setattr(memory_budget, "_malloc_trim", calls.append)
    monkeypatch.setattr(memory_budget, "_rendered", itertools.count(1))
    monkeypatch.setattr(memory_budget, "TRIM_EVERY", every)
    for _ in range(6):
        memory_budget.trim_after_image()
    assert calls == [0] * (6 // every)


def test_trim_after_image_without_malloc_trim_counts_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = itertools.count(1)
    monkeypatch.setattr(memory_budget, "_malloc_trim", None)
    monkeypatch.setattr(memory_budget, "_rendered", rendered)
    for _ in range(2 * memory_budget.TRIM_EVERY):
        memory_budget.trim_after_image()
    assert next(rendered) == 1
