"""Several broken runs at a time, each in a process of its own: much of a run is waiting for leases and restarts."""

from __future__ import annotations

import functools
import multiprocessing
import signal
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path

from slideshow.errors import CommandFailed
from tests.faults.run import Case, Result, run

MAX_SECONDS = 1800.0
"""A run ends itself after about half of it, whatever happens in it."""


def end_in_order() -> None:
    """From now on SIGTERM ends this process the way an error does, and so all processes of its run with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def side_by_side(
    cases: Sequence[Case], at_once: int, parent: Path | None
) -> Generator[tuple[Result, Path], None, None]:
    """What came of each case, in the order in which they end, and its folder below `parent`, which is kept.

    Closing the iterator ends the runs that are under way. Raises CommandFailed as `run` does, or if no run ends.
    """
    # Leaving the pool sends SIGTERM to its processes.
    with multiprocessing.get_context("spawn").Pool(at_once, end_in_order) as pool:
        ended = pool.imap_unordered(functools.partial(_broken_run, parent=parent), cases)
        for _ in cases:
            try:
                yield ended.next(timeout=MAX_SECONDS)
            except multiprocessing.TimeoutError:  # a pool never hears of a process that was killed
                raise CommandFailed(f"no run ended within {MAX_SECONDS:.0f} s; was one of them killed?") from None


def _broken_run(case: Case, parent: Path | None) -> tuple[Result, Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{case.seed}-", dir=parent))
    return run(case, folder), folder
