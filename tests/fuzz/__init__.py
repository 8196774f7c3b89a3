"""Whatever parses bytes from outside, fuzzed: guided by coverage (`make fuzz`), and by seeds in the suite.

A target (`targets/`, a file each) has `seeds()`, good inputs to begin with, and `check(data)`, which raises for what
must never happen: any error but the declared ones, or one without its sentence. It may be given any bytes at all.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
