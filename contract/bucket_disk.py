"""A bucket that is a folder: write aside, fsync, rename.

A file appears under its name only when it is whole and on the disk, so a crash leaves
either nothing or all of it. What a crash leaves aside lies in `.incoming` and is removed
when the bucket is opened again, once it is an hour old.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from contract.bucket import (
    BucketDenied,
    BucketError,
    BucketUnavailable,
    ObjectConflict,
    ObjectInfo,
    ObjectNotFound,
    ObjectTooLarge,
)
from contract.object_names import check

_INCOMING = ".incoming"
_STALE_SECONDS = 3600

_ERRORS: dict[int, type[BucketError]] = {
    errno.EACCES: BucketDenied,
    errno.EPERM: BucketDenied,
    errno.EROFS: BucketDenied,
    # Names that a file system cannot hold, or not beside what lies there: no retry helps.
    errno.ENAMETOOLONG: BucketError,
    errno.ENOTDIR: BucketError,
    errno.EISDIR: BucketError,
    errno.EEXIST: BucketError,
}


def _translated(name: str, error: OSError) -> BucketError:
    """The bucket's error for one of the operating system; a full disk is worth another try."""
    kind = _ERRORS.get(error.errno or 0, BucketUnavailable)
    return kind(name, f"{error.strerror or error} ({error.filename or 'no file'})")


class DiskBucket:
    """The disk form of `contract.bucket.Bucket`; content types are not kept."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.root = Path(unquote(urlsplit(self.url).path))
        self._incoming = self.root / _INCOMING
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise _translated("", error) from error

    def _sweep(self) -> None:
        for left in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink()

    def _path(self, name: str) -> Path:
        if check(name).split("/", 1)[0] == _INCOMING:
            raise ValueError(f"{name!r} is reserved")
        return self.root / name

    def _write_aside(self, data: bytes) -> Path:
        aside = self._incoming / secrets.token_hex(16)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return aside

    def _settle(self, folder: Path) -> None:
        """Make a rename in `folder` durable, where the platform can."""
        if os.name != "posix":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_folder(self, folder: Path) -> None:
        """Make the missing folders and their names durable, outermost first."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            self._settle(new.parent)

    def read(self, name: str, limit: int | None = None) -> bytes:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                if limit is None:
                    return file.read()
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectNotFound(name) from None
        except OSError as error:
            raise _translated(name, error) from error
        if len(data) > limit:
            raise ObjectTooLarge(name, limit)
        return data

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        path = self._path(name)
        try:
            self._make_folder(path.parent)
            aside = self._write_aside(data)
            try:
                os.link(aside, path)  # unlike rename, it refuses a name that is taken
            except FileExistsError:
                if path.read_bytes() != data:
                    raise ObjectConflict(name) from None
                return False
            finally:
                aside.unlink(missing_ok=True)
            self._settle(path.parent)
        except OSError as error:
            raise _translated(name, error) from error
        return True

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        path = self._path(name)
        try:
            self._make_folder(path.parent)
            aside = self._write_aside(data)
            try:
                os.replace(aside, path)
            except OSError:
                aside.unlink(missing_ok=True)
                raise
            self._settle(path.parent)
        except OSError as error:
            raise _translated(name, error) from error

    def stat(self, name: str) -> ObjectInfo:
        try:
            found = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectNotFound(name) from None
        except OSError as error:
            raise _translated(name, error) from error
        if not stat.S_ISREG(found.st_mode):  # a folder is a part of names, not an object
            raise ObjectNotFound(name)
        return ObjectInfo(name, found.st_size, found.st_mtime)

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self.root
        return self._walk(start, prefix, recursive)

    def _walk(self, folder: Path, prefix: str, recursive: bool) -> Iterator[ObjectInfo]:
        # Name order of whole names: a folder sorts as its name with the slash behind it.
        entries: list[tuple[str, bool]] = []
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    name = Path(entry.path).relative_to(self.root).as_posix()
                    is_folder = entry.is_dir()
                    entries.append((name + "/" if is_folder else name, is_folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _translated(prefix, error) from error
        for name, is_folder in sorted(entries):
            if name == f"{_INCOMING}/":
                continue
            if is_folder:
                if recursive and (name.startswith(prefix) or prefix.startswith(name)):
                    yield from self._walk(self.root / name, prefix, recursive)
            elif name.startswith(prefix):
                # Removed since it was listed, or a file that a person put there under a name that is none.
                with contextlib.suppress(ObjectNotFound, ValueError):
                    yield self.stat(name)

    def move(self, source: str, target: str) -> None:
        origin, goal = self._path(source), self._path(target)
        try:
            if origin.is_dir():
                raise ObjectNotFound(source)
            self._make_folder(goal.parent)
            os.replace(origin, goal)
            self._settle(goal.parent)
            self._settle(origin.parent)
        except (FileNotFoundError, NotADirectoryError):
            if not goal.is_file():
                raise ObjectNotFound(source) from None
        except OSError as error:
            raise _translated(source, error) from error

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except (NotADirectoryError, IsADirectoryError):  # no object has this name
            return
        except OSError as error:
            raise _translated(name, error) from error

    def probe(self) -> None:
        try:
            usable = self._incoming.is_dir() and os.access(self._incoming, os.W_OK)
        except OSError as error:
            raise _translated("", error) from error
        if not usable:
            raise BucketUnavailable("", f"the bucket's folder {self.root} is gone or not writable")
