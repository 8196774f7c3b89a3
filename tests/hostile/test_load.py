"""`make load` for a few seconds: whatever it would call wrong is a failure here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.__main__ import measure

pytestmark = pytest.mark.server


@pytest.mark.long
@pytest.mark.timeout(300)
def test_everybody_at_once_meets_no_error_and_loses_nothing(tmp_path: Path) -> None:
    found = measure(tmp_path / "data", 10.0)
    assert [line for line in found if line.startswith("WRONG")] == []
    assert found[-1] == "0 errors, 0 photos or results lost"
    assert sum(" calls, " in line for line in found) == 6, found
