"""Where compiled kernels lie, and when they are out of date.

Numba's own rule falls short in two ways. It marks a compiled function stale when the file of that
function changes, though the pieces compiled into it come from other files. And it leaves a folder unread
that it may not write to, so that a container's unprivileged user would compile again what
the image brings along. Here the mark covers every file of the room, and a filled folder serves as it is.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from types import FunctionType

from numba.core import config
from numba.core.caching import UserWideCacheLocator, _CacheLocator

_PACKAGE = Path(__file__).resolve().parent


@lru_cache(maxsize=1)
def sources_digest() -> str:
    """SHA-256, in hex, over names and contents of this room's Python files."""
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class KernelFolder(_CacheLocator):
    """Numba's locator for the functions of this room; of others it wants nothing.

    The folder is `NUMBA_CACHE_DIR` where that is set, else `__pycache__` beside the sources, else
    numba's folder in the user's cache.
    """

    def __init__(self, folder: Path, first_line: int, source: str) -> None:
        self._folder = folder
        self._first_line = first_line
        self._py_file = source  # numba names it in a warning

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return sources_digest()

    def get_disambiguator(self) -> str:
        return str(self._first_line)

    @classmethod
    def from_function(cls, py_func: FunctionType, py_file: str) -> _CacheLocator | None:
        if _PACKAGE not in Path(py_file).resolve().parents:
            return _numba_own(py_func, py_file)
        first_line = py_func.__code__.co_firstlineno
        wanted: str = config.CACHE_DIR  # type: ignore[attr-defined]  # set at run time
        folder = Path(wanted) if wanted else _PACKAGE / "__pycache__"
        locator = cls(folder, first_line, py_file)
        return locator if _usable(locator, folder) else _numba_own(py_func, py_file)


def _numba_own(py_func: FunctionType, py_file: str) -> _CacheLocator | None:
    found: _CacheLocator | None = UserWideCacheLocator.from_function(py_func, py_file)  # type: ignore[no-untyped-call]
    return found


def _usable(locator: KernelFolder, folder: Path) -> bool:
    try:
        locator.ensure_cache_path()  # type: ignore[no-untyped-call]
    except OSError:
        return os.access(folder, os.R_OK) and any(folder.glob("*.nbi"))
    return True
