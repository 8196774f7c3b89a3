"""Bucket in a local folder: write a temporary file, fsync, rename.

A file gets its name only when it is complete and on the disk, so a crash leaves either all of it or nothing.
Temporary files are written to `.incoming`.
Those that a crash left there are removed when the bucket is opened, once they are an hour old.
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
    ByteReader,
    ByteWriter,
    ObjectChanged,
    ObjectConflict,
    ObjectInfo,
    ObjectNotFound,
    ObjectTooLarge,
)
from contract.object_names import check

STREAM_PIECE_BYTES = 1024 * 1024

_INCOMING = ".incoming"
_STALE_SECONDS = 3600

_ERRORS: dict[int, type[BucketError]] = {
    errno.EACCES: BucketDenied,
    errno.EPERM: BucketDenied,
    errno.EROFS: BucketDenied,
    # The file system cannot store this name, or it conflicts with an existing file or folder: no retry helps.
    errno.ENAMETOOLONG: BucketError,
    errno.ENOTDIR: BucketError,
    errno.EISDIR: BucketError,
    errno.EEXIST: BucketError,
}


def _bucket_error(name: str, error: OSError) -> BucketError:
    """Convert an error of the operating system. A full disk is a temporary error."""
    kind = _ERRORS.get(error.errno or 0, BucketUnavailable)
    return kind(name, f"{error.strerror or error} ({error.filename or 'no file'})")


@contextlib.contextmanager
def _read_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ObjectNotFound(name) from None
    except OSError as error:
        raise _bucket_error(name, error) from error


class DiskBucket:
    """Implementation of `contract.bucket.port.Bucket` in a folder; content types are not stored."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.root = Path(unquote(urlsplit(self.url).path))
        self._incoming = self.root / _INCOMING
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._remove_stale()
        except OSError as error:
            raise _bucket_error("", error) from error

    def _remove_stale(self) -> None:
        for file in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > _STALE_SECONDS:
                    file.unlink()

    def _path(self, name: str) -> Path:
        if check(name).split("/", 1)[0] == _INCOMING:
            raise ValueError(f"{name!r} is reserved for temporary files of the bucket")
        return self.root / name

    def read(self, name: str, limit: int | None = None) -> bytes:
        return self.read_with_generation(name, limit)[0]

    def read_with_generation(self, name: str, limit: int | None = None) -> tuple[bytes, str]:
        path = self._path(name)
        with _read_errors(name), path.open("rb") as file:
            generation = _generation_of(os.fstat(file.fileno()))
            data = file.read() if limit is None else file.read(limit + 1)
        if limit is not None and len(data) > limit:
            raise ObjectTooLarge(name, limit)
        return data, generation

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        path = self._path(name)
        with _read_errors(name):
            file = path.open("rb", buffering=0)
        with file:
            if limit is not None and os.fstat(file.fileno()).st_size > limit:
                raise ObjectTooLarge(name, limit)
            while True:
                with _read_errors(name):
                    piece = file.read(PIECE_BYTES)
                if not piece:
                    return
                writer.write(piece)

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        path = self._path(name)
        try:
            _make_folder(path.parent)
            temporary = _write_temporary(self._incoming, data)
            try:
                os.link(temporary, path)  # unlike rename, it fails if the name is taken
            except FileExistsError:
                if path.read_bytes() != data:
                    raise ObjectConflict(name) from None
                return False
            finally:
                temporary.unlink(missing_ok=True)
            _fsync_folder(path.parent)
        except OSError as error:
            raise _bucket_error(name, error) from error
        return True

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        self._put(name, data, None)

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        return self._put(name, data, generation)

    def write_stream_if(self, name: str, source: ByteReader, content_type: str, generation: str) -> str:
        return self._put(name, source, generation)

    def _put(self, name: str, data: bytes | ByteReader, expected: str | None) -> str:
        """Write unconditionally, or only over the `expected` generation. Return the new generation."""
        path = self._path(name)
        try:
            _make_folder(path.parent)
            temporary = _write_temporary(self._incoming, data)
            try:
                generation = _generation_of(temporary.stat())
                with _folder_lock(self._incoming) if expected is not None else contextlib.nullcontext():
                    if expected is not None and self._generation(path) != expected:
                        raise ObjectChanged(name)
                    os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _fsync_folder(path.parent)
        except OSError as error:
            raise _bucket_error(name, error) from error
        return generation

    def _generation(self, path: Path) -> str:
        try:
            return _generation_of(path.stat())
        except FileNotFoundError:
            return NO_OBJECT

    def stat(self, name: str) -> ObjectInfo:
        try:
            status = self._path(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectNotFound(name) from None
        except OSError as error:
            raise _bucket_error(name, error) from error
        if not stat.S_ISREG(status.st_mode):  # a folder is a part of names, not an object
            raise ObjectNotFound(name)
        return ObjectInfo(name, status.st_size, status.st_mtime, _generation_of(status))

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self.root
        return self._walk(start, prefix, recursive)

    def _walk(self, folder: Path, prefix: str, recursive: bool) -> Iterator[ObjectInfo]:
        # Full names decide the order, so a folder sorts as its name followed by a slash.
        entries: list[tuple[str, bool]] = []
        try:
            with os.scandir(folder) as scanned:
                for entry in scanned:
                    name = Path(entry.path).relative_to(self.root).as_posix()
                    is_folder = entry.is_dir()
                    entries.append((name + "/" if is_folder else name, is_folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _bucket_error(prefix, error) from error
        for name, is_folder in sorted(entries):
            if name == f"{_INCOMING}/":
                continue
            if is_folder:
                if recursive and (name.startswith(prefix) or prefix.startswith(name)):
                    yield from self._walk(self.root / name, prefix, recursive)
            elif name.startswith(prefix):
                # The file was removed since the scan, or a person put it there under an invalid object name.
                with contextlib.suppress(ObjectNotFound, ValueError):
                    yield self.stat(name)

    def move(self, source: str, target: str) -> None:
        source_path, target_path = self._path(source), self._path(target)
        try:
            if source_path.is_dir():
                raise ObjectNotFound(source)
            _make_folder(target_path.parent)
            os.replace(source_path, target_path)
            _fsync_folder(target_path.parent)
            _fsync_folder(source_path.parent)
        except (FileNotFoundError, NotADirectoryError):
            if not target_path.is_file():
                raise ObjectNotFound(source) from None
        except OSError as error:
            raise _bucket_error(source, error) from error

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except (NotADirectoryError, IsADirectoryError):  # there is no object of this name
            return
        except OSError as error:
            raise _bucket_error(name, error) from error

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
            raise _bucket_error("", error) from error
        if not usable:
            raise BucketUnavailable("", f"the bucket's folder {self.root} is missing or not writable")


def _fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the platform supports it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    """Create the missing folders and make their names durable, outermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _fsync_folder(new.parent)


def _write_temporary(folder: Path, data: bytes | ByteReader) -> Path:
    """Write a new file in `folder`, flush it to the disk and return its path; the caller renames it."""
    temporary = folder / secrets.token_hex(16)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                while piece := data.read(STREAM_PIECE_BYTES):
                    file.write(piece)
            file.flush()
            # The kernel's time stamps have a resolution of milliseconds, and two writes may share one. This clock is
            # finer, so the generation differs.
            now = time.time_ns()
            os.utime(file.fileno() if os.utime in os.supports_fd else temporary, ns=(now, now))
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _generation_of(status: os.stat_result) -> str:
    """Return a value that differs for every write of a name: the file's time in nanoseconds, and its inode."""
    return f"{status.st_mtime_ns:x}-{status.st_ino:x}"


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock against other threads and processes. The kernel releases it if the process dies."""
    if os.name != "posix":
        raise OSError(f"{folder}: conditional writes need a POSIX system")
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
