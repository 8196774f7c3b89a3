"""End a process when its parent has died: a local task with its backend, a sandbox process with its task."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

CHECK_SECONDS = 0.5
EXIT_CODE = 1


def watch_parent(
    parent_pid: int, *, check_seconds: float = CHECK_SECONDS, end: Callable[[int], object] = os._exit
) -> threading.Thread:
    """End this process, within `check_seconds`, when `parent_pid` is no longer its parent.

    The process ends without clean-up: the receiver of its results is dead, and its leases end by themselves.
    An orphan gets another parent, so the comparison is correct even if the process id is reused.
    """

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(check_seconds)
        end(EXIT_CODE)

    thread = threading.Thread(target=watch, name="parent-watchdog", daemon=True)
    thread.start()
    return thread
