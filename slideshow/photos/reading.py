"""A photo's file into memory, and its name as people see it."""

from __future__ import annotations

from pathlib import Path

MAX_FILE_MIB = 256
"""Beyond every photo; keeps a file that is none, such as a disk image named .tif, out of memory."""


class CannotRead(Exception):
    """The file cannot be taken; the message is a sentence that names it."""


def printable(path: Path) -> str:
    """The path as text, whatever bytes it is made of."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_photo(file: Path) -> bytes:
    """All of the file. Raises CannotRead for one that cannot be read, or is larger than `MAX_FILE_MIB`."""
    try:
        size = file.stat().st_size
        if size > MAX_FILE_MIB * 2**20:
            raise CannotRead(f"{printable(file)}: has {size / 2**20:.0f} MiB; a photo may have {MAX_FILE_MIB} MiB")
        return file.read_bytes()
    except OSError as error:
        raise CannotRead(f"{printable(file)}: cannot be read: {error.strerror or error}") from error
