"""Run a process under a memory limit that counts its files in memory as well, as Cloud Run does.

With the rights to create a memory cgroup, the kernel enforces the limit. Otherwise a thread adds up the process's
share of memory (PSS) and the sizes of the files, every 50 ms, and kills the process above the limit.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SAMPLE_SECONDS = 0.05
REMOVE_SECONDS = 10.0
_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


class MemoryLimit:
    """A limit, and the peak of what was used. `prefix` starts a command under it."""

    def __init__(self, limit: int, folder: Path) -> None:
        self.limit = limit
        self._folder = folder
        self._cgroup: Path | None = None
        self._peak_file = ""
        self._sampled = 0
        self._ending = threading.Event()

    @property
    def how(self) -> str:
        """Return the name of the way in which the limit is enforced."""
        return f"cgroup {self._cgroup}" if self._cgroup else "PSS and files, sampled"

    @property
    def prefix(self) -> list[str]:
        """Return the words in front of a command that start it under the limit."""
        if self._cgroup is None:
            return []
        return ["/bin/sh", "-c", f'echo $$ > {self._cgroup}/cgroup.procs && exec "$@"', "sh"]

    def peak(self) -> int:
        """Return the largest number of bytes that were used at a time."""
        return int((self._cgroup / self._peak_file).read_text()) if self._cgroup else self._sampled

    def create_cgroup(self) -> None:
        """Create a cgroup. Raises OSError without the rights to do so."""
        v1 = (_V1 / "memory.limit_in_bytes").exists()
        cgroup = (_V1 if v1 else _V2) / f"slideshow-test-{os.getpid()}"
        cgroup.mkdir()
        try:
            (cgroup / ("memory.limit_in_bytes" if v1 else "memory.max")).write_text(str(self.limit))
        except OSError:
            cgroup.rmdir()
            raise
        self._cgroup, self._peak_file = cgroup, "memory.max_usage_in_bytes" if v1 else "memory.peak"

    def remove_cgroup(self) -> None:
        """Remove the cgroup, which is in use until the kernel has cleaned up after its processes."""
        deadline = time.monotonic() + REMOVE_SECONDS
        while self._cgroup is not None:
            try:
                self._cgroup.rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(SAMPLE_SECONDS)

    def watch(self, pid: int) -> None:
        """Sample the memory of a process until it ends, and kill it above the limit."""
        while not self._ending.wait(SAMPLE_SECONDS):
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                return
            share = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
            used = int(share[1]) * 1024 if share else 0
            for path in self._folder.rglob("*"):
                with contextlib.suppress(OSError):
                    used += path.stat().st_blocks * 512
            self._sampled = max(self._sampled, used)
            if used > self.limit:
                os.kill(pid, 9)
                return

    def end(self) -> None:
        """Stop sampling."""
        self._ending.set()


@contextlib.contextmanager
def memory_limit(limit: int, folder: Path) -> Iterator[MemoryLimit]:
    """Prepare a limit in bytes for one process whose files are in `folder`, which must be in memory."""
    made = MemoryLimit(limit, folder)
    with contextlib.suppress(OSError):
        made.create_cgroup()
    try:
        yield made
    finally:
        made.end()
        made.remove_cgroup()
