"""Location of the compiled kernels, and the rule for when they are out of date.

Numba's own locator has two gaps.
It considers a compiled function outdated when that function's file changes, but helpers compiled into it come from
other files.
It also ignores a cache folder without write permission, so the unprivileged user of a container would compile again
what the image already contains.
Here the stamp covers every file of this package, and a filled folder is used even if it is read-only.
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
    """Return the SHA-256, in hex, over names and contents of this package's Python files."""
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class KernelFolder(_CacheLocator):
    """Numba cache locator for the functions of this package. All other functions use numba's locator.

    The folder is `NUMBA_CACHE_DIR` if that is set, else `__pycache__` next to the sources, else numba's folder in the
    user's cache.
    """

    def __init__(self, folder: Path, first_line: int, source: str) -> None:
        self._folder = folder
        self._first_line = first_line
        self._py_file = source  # numba prints it in a warning

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
        configured: str = config.CACHE_DIR  # type: ignore[attr-defined]  # set at run time
        folder = Path(configured) if configured else _PACKAGE / "__pycache__"
        locator = cls(folder, first_line, py_file)
        return locator if _usable(locator, folder) else _numba_own(py_func, py_file)


def _numba_own(py_func: FunctionType, py_file: str) -> _CacheLocator | None:
    locator: _CacheLocator | None = UserWideCacheLocator.from_function(py_func, py_file)  # type: ignore[no-untyped-call]
    return locator


def _usable(locator: KernelFolder, folder: Path) -> bool:
    try:
        locator.ensure_cache_path()  # type: ignore[no-untyped-call]
    except OSError:
        return os.access(folder, os.R_OK) and any(folder.glob("*.nbi"))
    return True
