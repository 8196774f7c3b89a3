"""Fuzzing of every parser of untrusted bytes: guided by coverage (`make fuzz`), and with seeds in the test suite.

A target (a file in `targets/`) has two functions.
`seeds()` returns good inputs to start from.
`check(data)` accepts any bytes, and raises if an undeclared error occurs or an error message is not presentable.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"

# Helpers of the other tests create good pictures and keys.
for folder in (HOSTILE, HOSTILE.parent / "processor", HOSTILE.parent / "backend"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
