"""CPUs, memory and TCP ports of the machine that a process runs on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files in which Linux reports the memory limit of the container, in bytes: cgroup v2, then v1."""
MAX_LIMIT_BYTES = 64 * 2**30
"""A larger limit means "no limit" in cgroup v1."""


def container_memory_limit(files: tuple[Path, ...] = CGROUP_LIMITS) -> int | None:
    """Return the memory limit of the container in bytes, or None if there is none."""
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit() and 0 < int(text) <= MAX_LIMIT_BYTES:
            return int(text)
    return None


def usable_cpus() -> int:
    """Return the number of CPUs that this process may run on, at least 1; a container may have fewer than its host."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago, for a server whose URL is needed before it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
