"""Resources of processes, read from /proc (proc(5)): CPU seconds, resident memory, and a sampler over time.

Only Linux has /proc. On other systems the cases that need it are listed as missing, with the text of `NEEDS`.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

NEEDS = "Linux, for the figures in /proc"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def available() -> bool:
    """Return True if this system has /proc."""
    return Path("/proc/self/stat").exists()


def cpu_seconds(pid: int) -> float:
    """Return the user and system CPU seconds of a process without its children; 0.0 if it has ended."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def ended_children_cpu() -> float:
    """Return the user and system CPU seconds of ended descendants of this process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rss_mb(pid: int) -> float:
    """Return the resident memory in MB (10^6 bytes); 0.0 if the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6
    except (OSError, IndexError):
        return 0.0


def children(pid: int) -> list[int]:
    """Return the running children of a process."""
    pids: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids += [int(child) for child in listed.read_text().split()]
        except OSError:  # the thread has ended meanwhile
            continue
    return pids


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on. The second may contain spaces and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


class Point(NamedTuple):
    """A sample: seconds since the start, memory of the largest child, number of complete images."""

    seconds: float
    rss_mb: float
    done: int


class Sampler:
    """Sample the largest resident memory among the children of a process, until the block ends.

    `done()` is called for each sample and returns the number of complete images.
    """

    def __init__(self, parent: int, done: Callable[[], int], *, pause_s: float = 0.05) -> None:
        self._parent = parent
        self._done = done
        self._pause = pause_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._began = time.monotonic()
        self.points: list[Point] = []

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ending.wait(self._pause):
            sizes = [rss_mb(child) for child in children(self._parent)]
            if any(sizes):
                self.points.append(Point(time.monotonic() - self._began, max(sizes), self._done()))
