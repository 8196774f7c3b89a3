"""Whatever parses bytes from outside, fuzzed: guided by coverage (`make fuzz`), and by seeds in the suite.

A target (`targets/`, a file each) has `seeds()`, good inputs to begin with, and `check(data)`, which raises for what
must never happen: any error but the declared ones, or one without its sentence. It may be given any bytes at all.
"""

from __future__ import annotations

import sys
from pathlib import Path

HOSTILE = Path(__file__).resolve().parents[1]
ROOT = HOSTILE.parents[1]
BUILD = ROOT / "build" / "fuzz"

# The makers of good pictures and of keys are those of the other tests.
for room in (HOSTILE, HOSTILE.parent / "processor", HOSTILE.parent / "backend"):
    if str(room) not in sys.path:
        sys.path.append(str(room))
