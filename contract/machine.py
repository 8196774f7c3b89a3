"""CPUs and TCP ports of the machine that a process runs on."""

from __future__ import annotations

import os
import socket


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
