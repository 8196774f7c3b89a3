"""Buffer an original during its download, so that rendering can begin with its first bytes.

One thread fills the buffer from the bucket. Other threads read the buffer from its beginning, and wait for bytes
that have not arrived. All bytes stay in memory, so that a photo can be read twice. The budget of originals limits the
total size of all buffers.
JPEG and PNG are decoded during the download. Other formats are decoded from the complete file, and so is a JPEG that
is complete when its turn comes, because that decoder is faster.

Code that renders from a buffer must wait for `complete` before any result leaves this process:
only then is the checksum of the whole file verified. To a decoder, the end of a failed download looks like the end of
the file.
"""

from __future__ import annotations

import io
import threading
import time
import weakref
from collections.abc import Callable

from contract.bucket.port import Bucket
from processor.codecs.vips import pyvips

FIRST_BYTES = 4096
"""Enough to detect the format of a file."""


class DownloadFailed(Exception):
    """The original was needed as a whole, and its download failed."""


class _Abandoned(Exception):
    """Raised into the download to end it, because nothing reads the buffer any more."""


class DownloadBuffer:
    """A file of about `size` bytes that is being downloaded; a `contract.bucket.port.ByteWriter`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._file = io.BytesIO()
        self._count = 0
        self._sources: list[pyvips.SourceCustom] = []
        self._change = threading.Condition()
        self._ended = False
        self._complete = False
        self._abandoned = False
        self._waited = 0.0

    def write(self, data: bytes) -> None:
        """Append the next bytes. Raises an error that ends the download if the buffer was abandoned."""
        with self._change:
            if self._abandoned:
                raise _Abandoned
            self._file.seek(0, io.SEEK_END)
            self._file.write(data)
            self._count += len(data)
            self._change.notify_all()

    def end(self, *, complete: bool) -> None:
        """End the download: the file is complete and verified, or it failed. The first of several calls counts."""
        with self._change:
            if not self._ended:
                self._ended, self._complete = True, complete
                self._change.notify_all()

    def abandon(self) -> None:
        """Release all readers, and end the download with its next bytes."""
        with self._change:
            self._abandoned = True
        self.end(complete=False)

    @property
    def complete(self) -> bool:
        """True once the whole file is here, with the right checksum."""
        with self._change:
            return self._complete

    @property
    def count(self) -> int:
        """Number of bytes received."""
        with self._change:
            return self._count

    @property
    def waited(self) -> float:
        """Seconds that readers have waited for bytes."""
        with self._change:
            return self._waited

    def _wait_until(self, available: Callable[[], bool]) -> None:
        """Wait, with the lock held, until `available` returns True or the download ends."""
        if not (self._ended or available()):
            since = time.perf_counter()
            self._change.wait_for(lambda: self._ended or available())
            self._waited += time.perf_counter() - since

    def piece(self, start: int, size: int) -> bytes:
        """Wait for bytes from `start` on, and return at most `size` bytes; no bytes only at the end of the file."""
        with self._change:
            self._wait_until(lambda: self._count > start)
            self._file.seek(start)
            return self._file.read(size)

    def beginning(self) -> bytes:
        """Wait for the first `FIRST_BYTES`, or all bytes of a shorter file, and return them."""
        with self._change:
            self._wait_until(lambda: self._count >= FIRST_BYTES)
            self._file.seek(0)
            return self._file.read(FIRST_BYTES)

    def content(self) -> bytes:
        """Wait for the end of the download and return the whole file. Raises DownloadFailed."""
        with self._change:
            self._wait_until(lambda: False)
            if not self._complete:
                raise DownloadFailed("the download did not complete")
            return self._file.getvalue()

    def source(self) -> pyvips.SourceCustom:
        """Return a source from which libvips reads the file from its beginning, while this object lives."""
        # A weak reference: in a reference cycle the bytes would stay until the garbage collector runs.
        position, this = 0, weakref.ref(self)

        def read(size: int) -> bytes:
            nonlocal position
            buffer = this()
            piece = buffer.piece(position, size) if buffer is not None else b""
            position += len(piece)
            return piece

        source = pyvips.SourceCustom()
        source.on_read(read)
        self._sources.append(source)  # libvips holds no reference to the Python part of a source
        return source


Original = bytes | DownloadBuffer
"""The file of a photo, in memory or still downloading."""


def fill(buffer: DownloadBuffer, bucket: Bucket, name: str, limit: int) -> None:
    """Download the object `name` into `buffer`, to its end. Raises BucketError."""
    complete = False
    try:
        bucket.download_to(name, buffer, limit)
        complete = True
    except _Abandoned:
        return
    finally:
        buffer.end(complete=complete)


def beginning_of(original: Original) -> bytes:
    """Wait for enough bytes to detect the format of the file, and return them."""
    return original.beginning() if isinstance(original, DownloadBuffer) else original


def content_of(original: Original) -> bytes:
    """Wait for the whole file, and return it. Raises DownloadFailed."""
    return original.content() if isinstance(original, DownloadBuffer) else original


def size_of(original: Original) -> int:
    """Return the size of the file in bytes, as the bucket or the backend reported it."""
    return original.size if isinstance(original, DownloadBuffer) else len(original)


def seconds_waited(original: Original) -> float:
    """Return how many seconds readers have waited for bytes so far."""
    return original.waited if isinstance(original, DownloadBuffer) else 0.0
