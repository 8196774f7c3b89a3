"""A local task must not outlive the backend that started it."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable

CHECK_SECONDS = 0.5
EXIT_CODE = 1


def watch_parent(
    parent_pid: int, *, check_seconds: float = CHECK_SECONDS, end: Callable[[int], object] = os._exit
) -> threading.Thread:
    """End this process, within `check_seconds`, when `parent_pid` is no longer its parent.

    At once and without clean-up: the one who would take the results is dead, and what this
    task holds comes free with its leases. An orphan gets another parent, so comparing the
    ids cannot be fooled by an id that was given away again.
    """

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(check_seconds)
        end(EXIT_CODE)

    thread = threading.Thread(target=watch, name="parent-watchdog", daemon=True)
    thread.start()
    return thread


EVERY = 16
"""Images between two times: what was given back has to be taken anew, page by page."""

_rendered = itertools.count(1)


def _find() -> ctypes._NamedFuncPointer | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library, which has its own ways
        return None
    found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
    return found


_malloc_trim = _find()


def image_rendered() -> None:
    """To be called after each image, on the thread that rendered it."""
    if _malloc_trim is not None and next(_rendered) % EVERY == 0:
        _malloc_trim(0)
