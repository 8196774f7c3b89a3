"""What the machine gives a process, as far as both programs plan by it."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """How many CPUs this process may run on, which is not how many the host has; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
