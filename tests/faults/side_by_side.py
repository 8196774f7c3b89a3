"""Concurrent runs, each in a process of its own: most of a run is waiting for leases and restarts."""

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
"""Time limit of the next result; a run ends by itself after about half of it."""


def exit_on_sigterm() -> None:
    """Make SIGTERM raise SystemExit, so that clean-up code ends all processes of a run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def run_concurrently(
    cases: Sequence[Case], concurrency: int, parent: Path | None
) -> Generator[tuple[Result, Path], None, None]:
    """Run the cases and yield each result, in the order in which they end, with its folder below `parent`.

    The folders are not removed. Closing the generator ends the active runs.

    Raises:
        CommandFailed: A run failed, or no run ended within `MAX_SECONDS`.
    """
    # Leaving the pool sends SIGTERM to its processes.
    with multiprocessing.get_context("spawn").Pool(concurrency, exit_on_sigterm) as pool:
        ended = pool.imap_unordered(functools.partial(_run_in_new_folder, parent=parent), cases)
        for _ in cases:
            try:
                yield ended.next(timeout=MAX_SECONDS)
            except multiprocessing.TimeoutError:  # a pool does not notice a process that was killed
                raise CommandFailed(f"no run ended within {MAX_SECONDS:.0f} s; was one of them killed?") from None


def _run_in_new_folder(case: Case, parent: Path | None) -> tuple[Result, Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{case.seed}-", dir=parent))
    return run(case, folder), folder
