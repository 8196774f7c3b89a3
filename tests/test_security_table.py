"""The table of findings in SECURITY.md: every weakness has a row, and every test and decision that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEAKNESSES = 17


def rows() -> dict[str, list[str]]:
    """Return the cells of each row of the table, by the weakness."""
    table = (ROOT / "SECURITY.md").read_text().partition("## Findings of the penetration test")[2]
    found = (re.fullmatch(r"\| (W\d+) \| (.*) \|", line) for line in table.splitlines())
    return {match[1]: match[2].split(" | ") for match in found if match}


def test_each_weakness_has_a_row_with_a_state() -> None:
    assert list(rows()) == [f"W{number}" for number in range(1, WEAKNESSES + 1)]
    for weakness, (_, state, proof) in rows().items():
        assert state.startswith(("fixed", "sentences fixed", "kept")), weakness
        assert "test_" in proof or "docs/decisions/" in proof, weakness


def test_each_named_test_and_decision_exists() -> None:
    defined = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    files = {path.name for path in (ROOT / "tests").rglob("*.py")}
    for weakness, (_, _, proof) in rows().items():
        for name in re.findall(r"`(test_\w+(?:\.py)?)`", proof):
            assert name in files or f"def {name}(" in defined, (weakness, name)
        for target in re.findall(r"\((docs/decisions/[^)#]+)\)", proof):
            assert (ROOT / target).is_file(), (weakness, target)
