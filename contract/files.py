"""Atomic writes to local files."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644, overwrite: bool = True) -> None:
    """Write a file such that readers see the old content or the new content, never a part, even after a crash.

    The data go into a temporary file in the same folder, to the disk, and only then under the name.

    Args:
        path: The file. Its folder must exist.
        data: The content.
        mode: Permission bits, from which the umask is subtracted.
        overwrite: False leaves an existing file as it is.

    Raises:
        OSError: The file could not be written. An earlier one is unchanged.
    """
    aside = path.with_name(f".{secrets.token_hex(6)}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            aside.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)  # unlike a rename, a link never replaces a file
    finally:
        aside.unlink(missing_ok=True)
