"""An original while it arrives: rendering begins with its first bytes, and nothing is kept of it unless all of it came.

One thread fills it from the bucket, others read it from its beginning and wait for what is not there yet. All bytes
stay, so that a photo can be read twice, and what has arrived by then is a plain file in memory; how many there may
be at a time is the budget of originals. JPEG and PNG are decoded while they arrive; other formats are decoded from
their whole file, and so is a JPEG that is all there when its turn comes, by the faster decoder.

Who renders from it must ask `arrived` before anything of the result leaves this process: only then the checksum of
the whole is proven. The end of a download that failed looks to a decoder like the end of the file.
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
"""Enough to tell what kind of file it is."""


class DownloadFailed(Exception):
    """The original was asked for as a whole, and its download has failed; that failure says why."""


class _NotWanted(Exception):
    """Nobody reads any more: raised into the download, to end it."""


class DownloadBuffer:
    """A file of about `size` bytes on its way; a `contract.bucket.port.ByteWriter`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._file = io.BytesIO()
        self._count = 0
        self._sources: list[pyvips.SourceCustom] = []
        self._change = threading.Condition()
        self._ended = False
        self._whole = False
        self._wanted = True
        self._waited = 0.0

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises if nobody wants them any more."""
        with self._change:
            if not self._wanted:
                raise _NotWanted
            self._file.seek(0, io.SEEK_END)
            self._file.write(data)
            self._count += len(data)
            self._change.notify_all()

    def end(self, *, whole: bool) -> None:
        """No more will come: all is there and proven, or (the first of two calls counts) it failed."""
        with self._change:
            if not self._ended:
                self._ended, self._whole = True, whole
                self._change.notify_all()

    def give_up(self) -> None:
        """Nobody reads any more: whoever waits is let go, and the download ends with its next bytes."""
        with self._change:
            self._wanted = False
        self.end(whole=False)

    @property
    def arrived(self) -> bool:
        """Whether all of it is here, with the right checksum."""
        with self._change:
            return self._whole

    @property
    def count(self) -> int:
        """How many bytes are here."""
        with self._change:
            return self._count

    @property
    def waited(self) -> float:
        """Seconds that its readers have waited for bytes."""
        with self._change:
            return self._waited

    def _wait_until(self, here: Callable[[], bool]) -> None:
        """Wait, under the lock, until `here` or the end."""
        if not (self._ended or here()):
            since = time.perf_counter()
            self._change.wait_for(lambda: self._ended or here())
            self._waited += time.perf_counter() - since

    def piece(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on, and none only at the end, for which it waits."""
        with self._change:
            self._wait_until(lambda: self._count > start)
            self._file.seek(start)
            return self._file.read(size)

    def beginning(self) -> bytes:
        """The first `FIRST_BYTES`, or all of a shorter file; waits for them."""
        with self._change:
            self._wait_until(lambda: self._count >= FIRST_BYTES)
            self._file.seek(0)
            return self._file.read(FIRST_BYTES)

    def whole(self) -> bytes:
        """All of it; waits for the end. Raises DownloadFailed if it failed."""
        with self._change:
            self._wait_until(lambda: False)
            if not self._whole:
                raise DownloadFailed("it did not arrive as a whole")
            return self._file.getvalue()

    def source(self) -> pyvips.SourceCustom:
        """What libvips reads from, from the beginning, as long as this object lives."""
        place, us = 0, weakref.ref(self)  # no circle, or the bytes would stay until the garbage collector comes by

        def read(size: int) -> bytes:
            nonlocal place
            arriving = us()
            piece = arriving.piece(place, size) if arriving is not None else b""
            place += len(piece)
            return piece

        source = pyvips.SourceCustom()
        source.on_read(read)
        self._sources.append(source)  # libvips keeps no reference to what is Python's of it
        return source


Original = bytes | DownloadBuffer
"""A photo's file, here or on its way."""


def fill(arriving: DownloadBuffer, bucket: Bucket, name: str, limit: int) -> None:
    """Download an object into `arriving`, to its end. Raises BucketError."""
    whole = False
    try:
        bucket.download_to(name, arriving, limit)
        whole = True
    except _NotWanted:
        return
    finally:
        arriving.end(whole=whole)


def beginning_of(data: Original) -> bytes:
    """Enough bytes to tell what kind of file it is."""
    return data.beginning() if isinstance(data, DownloadBuffer) else data


def whole_of(data: Original) -> bytes:
    """The whole file; waits for it. Raises DownloadFailed."""
    return data.whole() if isinstance(data, DownloadBuffer) else data


def size_of(data: Original) -> int:
    """The file's size in bytes, as far as it is known."""
    return data.size if isinstance(data, DownloadBuffer) else len(data)


def waited_for(data: Original) -> float:
    """Seconds that readers have waited for its bytes so far."""
    return data.waited if isinstance(data, DownloadBuffer) else 0.0
