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

from contract.bucket.port import (
    NO_OBJECT,
    PIECE_BYTES,
    BucketDenied,
    BucketError,
    BucketUnavailable,
    ByteWriter,
    ObjectChanged,
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


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ObjectNotFound(name) from None
    except OSError as error:
        raise _translated(name, error) from error


class DiskBucket:
    """The disk form of `contract.bucket.port.Bucket`; content types are not kept."""

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

    def read(self, name: str, limit: int | None = None) -> bytes:
        return self.read_with_generation(name, limit)[0]

    def read_with_generation(self, name: str, limit: int | None = None) -> tuple[bytes, str]:
        path = self._path(name)
        with _reading(name), path.open("rb") as file:
            generation = generation_of(os.fstat(file.fileno()))
            data = file.read() if limit is None else file.read(limit + 1)
        if limit is not None and len(data) > limit:
            raise ObjectTooLarge(name, limit)
        return data, generation

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        path = self._path(name)
        with _reading(name):
            file = path.open("rb", buffering=0)
        with file:
            if limit is not None and os.fstat(file.fileno()).st_size > limit:
                raise ObjectTooLarge(name, limit)
            while True:
                with _reading(name):
                    piece = file.read(PIECE_BYTES)
                if not piece:
                    return
                writer.write(piece)

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        path = self._path(name)
        try:
            make_folder(path.parent)
            aside = write_aside(self._incoming, data)
            try:
                os.link(aside, path)  # unlike rename, it refuses a name that is taken
            except FileExistsError:
                if path.read_bytes() != data:
                    raise ObjectConflict(name) from None
                return False
            finally:
                aside.unlink(missing_ok=True)
            settle(path.parent)
        except OSError as error:
            raise _translated(name, error) from error
        return True

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        self._put(name, data, None)

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        return self._put(name, data, generation)

    def _put(self, name: str, data: bytes, expected: str | None) -> str:
        """Write over what lies there, or only over the `expected` generation; the new generation."""
        path = self._path(name)
        try:
            make_folder(path.parent)
            aside = write_aside(self._incoming, data)
            try:
                generation = generation_of(aside.stat())
                with alone_in(self._incoming) if expected is not None else contextlib.nullcontext():
                    if expected is not None and self._generation(path) != expected:
                        raise ObjectChanged(name)
                    os.replace(aside, path)
            finally:
                aside.unlink(missing_ok=True)
            settle(path.parent)
        except OSError as error:
            raise _translated(name, error) from error
        return generation

    def _generation(self, path: Path) -> str:
        try:
            return generation_of(path.stat())
        except FileNotFoundError:
            return NO_OBJECT

    def stat(self, name: str) -> ObjectInfo:
        try:
            found = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectNotFound(name) from None
        except OSError as error:
            raise _translated(name, error) from error
        if not stat.S_ISREG(found.st_mode):  # a folder is a part of names, not an object
            raise ObjectNotFound(name)
        return ObjectInfo(name, found.st_size, found.st_mtime, generation_of(found))

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
            make_folder(goal.parent)
            os.replace(origin, goal)
            settle(goal.parent)
            settle(origin.parent)
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

    def expire(self, prefix: str, days: int) -> bool:
        oldest = time.time() - days * 24 * 3600
        due = [entry.name for entry in self.list(prefix, recursive=True) if entry.updated < oldest]
        for name in due:
            self.delete(name)
        return bool(due)

    def probe(self) -> None:
        try:
            usable = self._incoming.is_dir() and os.access(self._incoming, os.W_OK)
        except OSError as error:
            raise _translated("", error) from error
        if not usable:
            raise BucketUnavailable("", f"the bucket's folder {self.root} is gone or not writable")


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
