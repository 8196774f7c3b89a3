"""Downloads from Google Cloud Storage, whole or in pieces, and the proof that all of it came.

The checksum is compared here: the client itself leaves it out where a broken download was taken up
again, and where the answer does not carry it.
"""

from __future__ import annotations

import base64
import logging

import google_crc32c
from google.api_core.exceptions import NotFound
from google.cloud import storage

from contract.bucket.gcs.client import Access, reading_at_most
from contract.bucket.port import PIECE_BYTES, BucketUnavailable, ByteWriter, ObjectNotFound, ObjectTooLarge

log = logging.getLogger(__name__)

TRIES = 3
"""How often a download is fetched whose checksum is wrong."""


def crc32c_of(data: bytes) -> str:
    """The checksum as the service spells it: base64 of four bytes, big end first."""
    return _spelt(google_crc32c.value(data))


def _spelt(crc32c: int) -> str:
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()


def read_whole(access: Access, name: str, limit: int | None) -> tuple[bytes, storage.Blob]:
    """The object in one request, and what its answer told of it; fetched again if it arrived damaged."""
    for _ in range(TRIES):
        blob = access.blob(name)
        with access.errors(name), reading_at_most(name, limit):
            data: bytes = blob.download_as_bytes(
                raw_download=True, single_shot_download=True, checksum=None, **access.waits
            )
        if limit is not None and len(data) > limit:
            raise ObjectTooLarge(name, limit)
        if _is_whole(access, blob, crc32c_of(data)):
            return data, blob
        log.warning("%s arrived damaged and is fetched again", name)
    raise BucketUnavailable(name, f"it arrived damaged {TRIES} times: its checksum is not that of its upload")


def read_in_pieces(access: Access, name: str, writer: ByteWriter, limit: int | None) -> None:
    """The object in one request, to `writer` while it arrives; where it breaks off, the client takes it up there."""
    blob, checked = access.blob(name), CheckedWriter(writer, name, limit)
    try:
        with access.errors(name), reading_at_most(name, limit):
            try:
                blob.download_to_file(checked, raw_download=True, checksum=None, **access.waits)
            except NotFound:
                if not checked.count:
                    raise
                # Where it broke off, the client asks for the rest of the very generation that it began with.
                raise BucketUnavailable(name, "it was replaced or removed while it was read") from None
        checked.flush()
    except WriterFailed as failure:
        raise failure.reason from None
    if not _is_whole(access, blob, checked.crc32c):
        raise BucketUnavailable(name, "it arrived damaged: its checksum is not that of its upload")


def _is_whole(access: Access, blob: storage.Blob, crc32c: str) -> bool:
    """Whether what came is what lies there. The answer carried the checksum; else it is asked for."""
    wanted = blob.crc32c
    if wanted is None:
        stored = access.bucket.blob(blob.name, generation=blob.generation)
        try:
            with access.errors(blob.name):
                stored.reload(**access.waits)
        except ObjectNotFound:  # it was replaced since; the next try reads what lies there now
            return False
        wanted = stored.crc32c
    return bool(wanted == crc32c)


class WriterFailed(Exception):
    """The one who takes the pieces raised `reason`.

    In a wrapping of its own, since the client would take some errors (a broken pipe) for its connection's.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class CheckedWriter:
    """Joins what arrives, 8 KiB at a time, to pieces of `PIECE_BYTES`; `flush` hands over the rest.

    On the way it counts the bytes and keeps their checksum.
    """

    def __init__(self, writer: ByteWriter, name: str, limit: int | None) -> None:
        self._writer = writer
        self._name = name
        self._limit = limit
        self._waiting = bytearray()
        self._crc32c = 0
        self.count = 0

    def write(self, data: bytes) -> int:
        """Take what the client read. Raises ObjectTooLarge past the limit, WriterFailed."""
        self.count += len(data)
        if self._limit is not None and self.count > self._limit:
            raise ObjectTooLarge(self._name, self._limit)
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self._waiting += data
        while len(self._waiting) >= PIECE_BYTES:
            piece = bytes(self._waiting[:PIECE_BYTES])
            del self._waiting[:PIECE_BYTES]
            self._hand_over(piece)
        return len(data)

    def flush(self) -> None:
        """Hand over what is left. Raises WriterFailed."""
        if self._waiting:
            self._hand_over(bytes(self._waiting))
            self._waiting.clear()

    def _hand_over(self, piece: bytes) -> None:
        try:
            self._writer.write(piece)
        except Exception as error:
            raise WriterFailed(error) from error

    @property
    def crc32c(self) -> str:
        """Of all that came so far, as the service spells it."""
        return _spelt(self._crc32c)
