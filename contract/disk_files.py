"""Files on a disk that hold after a power cut, and what tells one writing of a name from the next."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path


def settle(folder: Path) -> None:
    """Make the names in `folder` durable, where the platform can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make the missing folders and their names durable, outermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        settle(new.parent)


def write_aside(folder: Path, data: bytes) -> Path:
    """A new file in `folder`, on the disk as a whole, to be renamed; its path."""
    aside = folder / secrets.token_hex(16)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            # The kernel stamps files with a clock of milliseconds, in which two writings may fall; this one is finer.
            now = time.time_ns()
            os.utime(file.fileno() if os.utime in os.supports_fd else aside, ns=(now, now))
            os.fsync(file.fileno())
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return aside


def generation_of(found: os.stat_result) -> str:
    """What tells this writing of a name from every other: the file's time in nanoseconds, and its inode."""
    return f"{found.st_mtime_ns:x}-{found.st_ino:x}"


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, against threads and processes; it ends with the process, however that ends."""
    if os.name != "posix":
        raise OSError(f"{folder}: conditional writes need a POSIX system")
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
