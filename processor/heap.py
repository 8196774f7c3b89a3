"""Gives freed memory back to the operating system, so that a long task stays as small as a short one.

glibc's malloc keeps what is freed below the top of its heaps. Large and small pictures side by side leave ever more of
that behind, some 20 MB in 1,000 images; `malloc_trim` finds whole pages in it.
https://man7.org/linux/man-pages/man3/malloc_trim.3.html
"""

from __future__ import annotations

import ctypes
import itertools
import sys

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
