"""`make load` for a few seconds: every error that it reports fails the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.__main__ import measure

pytestmark = pytest.mark.server


@pytest.mark.long
@pytest.mark.timeout(300)
def test_concurrent_callers_meet_no_error_and_lose_nothing(tmp_path: Path) -> None:
    lines = measure(tmp_path / "data", 10.0)
    assert [line for line in lines if line.startswith("WRONG")] == []
    assert lines[-1] == "0 errors, 0 photos or results lost"
    assert sum(" calls, " in line for line in lines) == 6, lines
