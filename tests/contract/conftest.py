"""Makes the promises in tests/suites importable, for pytest puts only a test's own folder on the path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "suites"))
