"""Read pieces of a file that is in memory or still downloading."""

from __future__ import annotations

import struct
from typing import Any, Protocol

from contract.image_header.model import HeaderError


class Source(Protocol):
    """A file. `piece` returns at most `size` bytes from `start` on, and no bytes only at the end of the file."""

    def piece(self, start: int, size: int) -> bytes:
        """Return bytes of the file."""
        ...


class BytesSource:
    """A file in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def piece(self, start: int, size: int) -> bytes:
        """Return bytes of the file."""
        return self._data[start : start + size]


_BLOCK = 4096


class Reader:
    """Reads a file at any position, in blocks, so that a download is waited for no longer than needed."""

    def __init__(self, source: Source, kind: str) -> None:
        """Create a reader; `kind` names the format in errors: "a PNG file"."""
        self._source = source
        self._kind = kind
        self._start = 0
        self._block = b""

    def damaged(self, what: str) -> HeaderError:
        """Return the error for a header that contradicts its format."""
        return HeaderError(f"is {self._kind} with a damaged header: {what}")

    def read(self, start: int, size: int) -> bytes:
        """Return exactly `size` bytes from `start` on. Raises HeaderError if the file ends before."""
        data = self.read_up_to(start, size)
        if len(data) < size:
            raise HeaderError(f"is {self._kind} that is cut off in its header")
        return data

    def read_up_to(self, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` on, or fewer at the end of the file."""
        offset = start - self._start
        if offset >= 0 and offset + size <= len(self._block):
            return self._block[offset : offset + size]
        wanted = max(size, _BLOCK)
        pieces, count = [], 0
        while count < size and (piece := self._source.piece(start + count, wanted - count)):
            pieces.append(piece)
            count += len(piece)
        self._start, self._block = start, b"".join(pieces)
        return self._block[:size]

    def unpack(self, layout: str, start: int) -> tuple[Any, ...]:
        """Return the numbers at `start`. Raises HeaderError if the file ends before."""
        return struct.unpack(layout, self.read(start, struct.calcsize(layout)))
