"""Operating system facts about processes: which one a pid is, and whether it still lives."""

from __future__ import annotations

import subprocess
from pathlib import Path


def start_mark(pid: int) -> str | None:
    """Something that tells the process of this pid from a later one of the same number, or None if none lives.

    Linux: the start time in clock ticks since boot (field 22 of proc(5) `stat`); elsewhere `ps`.
    """
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The name in parentheses may itself hold spaces and parentheses.
        fields = stat[stat.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else fields[19]
    try:
        shown = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return shown.stdout.strip() or None


def lives(pid: int, mark: str) -> bool:
    """Whether the process that had this pid and mark still runs."""
    return start_mark(pid) == mark
