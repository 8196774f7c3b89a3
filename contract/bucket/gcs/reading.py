"""Downloads from Google Cloud Storage, complete or in pieces, verified by checksum.

The checksum is compared here.
The client does not verify the checksum if it resumed a broken download, or if the response contains no checksum.
"""

from __future__ import annotations

import base64
import logging

import google_crc32c
from google.api_core.exceptions import NotFound
from google.cloud import storage

from contract.bucket.gcs.client import Access, size_limit
from contract.bucket.port import PIECE_BYTES, BucketUnavailable, ByteWriter, ObjectNotFound, ObjectTooLarge

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Attempts of a download whose checksum is wrong."""


def crc32c_of(data: bytes) -> str:
    """Return the checksum in the service's encoding: base64 of four bytes, big-endian."""
    return _encoded(google_crc32c.value(data))


def _encoded(crc32c: int) -> str:
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()


def read_whole(access: Access, name: str, limit: int | None) -> tuple[bytes, storage.Blob]:
    """Return the object and its metadata from one request; a damaged download is repeated."""
    for _ in range(ATTEMPTS):
        blob = access.blob(name)
        with access.errors(name), size_limit(name, limit):
            data: bytes = blob.download_as_bytes(
                raw_download=True, single_shot_download=True, checksum=None, **access.options
            )
        if limit is not None and len(data) > limit:
            raise ObjectTooLarge(name, limit)
        if _is_complete(access, blob, crc32c_of(data)):
            return data, blob
        log.warning("%s arrived damaged; downloading it again", name)
    raise BucketUnavailable(name, f"the object arrived damaged {ATTEMPTS} times: its checksum is wrong")


def read_in_pieces(access: Access, name: str, writer: ByteWriter, limit: int | None) -> None:
    """Stream the object to `writer` from one request. If the connection breaks, the client resumes at that byte."""
    blob, checked = access.blob(name), CheckedWriter(writer, name, limit)
    try:
        with access.errors(name), size_limit(name, limit):
            try:
                blob.download_to_file(checked, raw_download=True, checksum=None, **access.options)
            except NotFound:
                if not checked.count:
                    raise
                # The client resumes with the generation that it began with, which no longer exists.
                raise BucketUnavailable(name, "the object was replaced or removed while it was read") from None
        checked.flush()
    except WriterFailed as failure:
        raise failure.reason from None
    if not _is_complete(access, blob, checked.crc32c):
        raise BucketUnavailable(name, "the object arrived damaged: its checksum is wrong")


def _is_complete(access: Access, blob: storage.Blob, crc32c: str) -> bool:
    """Compare the checksum of the received bytes with the stored one, which is requested if the response had none."""
    expected = blob.crc32c
    if expected is None:
        current = access.bucket.blob(blob.name, generation=blob.generation)
        try:
            with access.errors(blob.name):
                current.reload(**access.options)
        except ObjectNotFound:  # replaced since; the next attempt reads the new generation
            return False
        expected = current.crc32c
    return bool(expected == crc32c)


class WriterFailed(Exception):
    """The receiver of the pieces raised `reason`.

    A class of its own, because the client would handle some errors, such as a broken pipe, as errors of its connection.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class CheckedWriter:
    """Joins the received chunks of 8 KiB to pieces of `PIECE_BYTES`, counts the bytes and computes their checksum.

    Call `flush` at the end to deliver the remaining bytes.
    """

    def __init__(self, writer: ByteWriter, name: str, limit: int | None) -> None:
        self._writer = writer
        self._name = name
        self._limit = limit
        self._pending = bytearray()
        self._crc32c = 0
        self.count = 0

    def write(self, data: bytes) -> int:
        """Accept a chunk from the client.

        Raises:
            ObjectTooLarge: More bytes than the limit arrived.
            WriterFailed: The receiver raised an error.
        """
        self.count += len(data)
        if self._limit is not None and self.count > self._limit:
            raise ObjectTooLarge(self._name, self._limit)
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self._pending += data
        while len(self._pending) >= PIECE_BYTES:
            piece = bytes(self._pending[:PIECE_BYTES])
            del self._pending[:PIECE_BYTES]
            self._deliver(piece)
        return len(data)

    def flush(self) -> None:
        """Deliver the remaining bytes. Raises WriterFailed."""
        if self._pending:
            self._deliver(bytes(self._pending))
            self._pending.clear()

    def _deliver(self, piece: bytes) -> None:
        try:
            self._writer.write(piece)
        except Exception as error:
            raise WriterFailed(error) from error

    @property
    def crc32c(self) -> str:
        """The checksum of all bytes so far, in the service's encoding."""
        return _encoded(self._crc32c)
