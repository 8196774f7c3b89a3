"""Fuzzing of every parser of untrusted input: guided by coverage in `make fuzz`, by fixed seeds in the test suite.

Each module in `targets/` has `seeds()`, which returns valid inputs to begin with, and `check(data)`, which accepts any
bytes. `check` raises if the parser raises an error that it does not declare, or one without a readable sentence.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"

# Helpers of the other tests create good pictures and keys.
for folder in (HOSTILE, HOSTILE.parent / "processor", HOSTILE.parent / "backend"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
