"""Fuzzing of every parser of untrusted input: guided by coverage in `make fuzz`, by fixed seeds in the test suite.

Each module in `targets/` has `seeds()`, which returns valid inputs to begin with, and `check(data)`, which accepts any
bytes. `check` raises if the parser raises an error that it does not declare, or one without a readable sentence.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
