"""Port of the bucket that stores originals, variants, sidecars and records.

`Bucket` lists every operation that the programs need.
A folder on disk and Google Cloud Storage implement it, and one conformance suite (`tests/suites/bucket.py`) tests both.
All methods block and may be called from any thread.

Errors, each with the name of the object:

    BucketError
    ├── ObjectNotFound        there is no such object                        permanent
    ├── ObjectConflict        the name is taken by other bytes               permanent
    ├── ObjectChanged         another writer was first                       permanent
    ├── ObjectTooLarge        the object exceeds the caller's limit          permanent
    ├── BucketDenied          a permission is missing                        permanent
    └── BucketUnavailable     no answer, or the connection broke off         temporary: retry
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from contract.object_names import check

PIECE_BYTES = 256 * 1024
"""Maximum size of the pieces that `Bucket.download_to` writes."""


class BucketError(Exception):
    """An operation failed. `name` is the object's name or empty; `temporary` is True if a retry may help."""

    temporary = False

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name


class ObjectNotFound(BucketError):
    """There is no such object."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "there is no such object in the bucket")


class ObjectConflict(BucketError):
    """The name is taken by an object with other bytes."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "this name is taken by an object with other content")


class ObjectChanged(BucketError):
    """Another writer was first: the object no longer has the generation that the caller read."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "another writer has changed this object since it was read")


class ObjectTooLarge(BucketError):
    """The object is larger than `limit` bytes, the maximum that the caller accepts."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(name, f"the object is larger than the {limit:,} bytes allowed here")


class BucketDenied(BucketError):
    """A permission is missing; the message names it."""


class BucketUnavailable(BucketError):
    """The bucket did not answer or the connection broke off; a retry may succeed."""

    temporary = True


NO_OBJECT = ""
"""Generation of a name without an object."""


class ObjectInfo(Struct, frozen=True):
    """One object of a listing.

    Attributes:
        name: Object name.
        size: Size in bytes.
        updated: Time of the last write, in seconds since the epoch (UTC).
        generation: Opaque version of the content; every write produces another one.
    """

    name: str
    size: int
    updated: float
    generation: str = ""


class ByteWriter(Protocol):
    """Receiver of a download. `write` may block until there is space; an exception that it raises ends the download."""

    def write(self, data: bytes, /) -> object:
        """Accept all of `data`, the next bytes in order."""
        ...


class ByteReader(Protocol):
    """Source of an upload. An exception that `read` raises ends the upload, and nothing is written."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""
        ...


class Bucket(Protocol):
    """Objects by name. Every name is validated, so no call reaches anything outside the bucket."""

    url: str
    """`gs://name` or `file:///folder`, without a trailing slash."""

    def read(self, name: str, limit: int | None = None) -> bytes:
        """Return the complete object after its checksum is verified.

        Raises:
            ObjectNotFound: There is no such object.
            ObjectTooLarge: It has more than `limit` bytes.
        """
        ...

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        """Stream the object to `writer` in pieces of at most `PIECE_BYTES`.

        The object is complete and its checksum verified only when this method returns.
        Until then the caller must not publish anything that it made of the pieces.
        An exception that `writer` raises is passed on.

        Raises:
            ObjectNotFound: There is no such object; no piece was written.
            ObjectTooLarge: It has more than `limit` bytes; no piece was written.
            BucketUnavailable: The download broke off or is damaged; retry with a new writer.
        """
        ...

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        """Write an object whose content never changes, so that it may be cached for a year.

        Returns:
            True if the object was written. False if it exists with the same bytes, which is also
            the case after an internal retry whose first answer was lost.

        Raises:
            ObjectConflict: The object exists with other bytes.
        """
        ...

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        """Write an object, replacing an existing one; it must not be cached.

        Readers receive the old or the new content, never a mixture.
        """
        ...

    def read_with_generation(self, name: str, limit: int | None = None) -> tuple[bytes, str]:
        """Return what `read` returns, and the generation of that content."""
        ...

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        """Write an object only if it still has this `generation`; `NO_OBJECT` means that it must not exist.

        Of several writers that expect the same generation, one succeeds.

        Returns:
            The new generation.

        Raises:
            ObjectChanged: Another writer was first. Also possible for a write that succeeded,
                if its answer was lost and the client repeated it.
        """
        ...

    def write_stream_if(self, name: str, source: ByteReader, content_type: str, generation: str) -> str:
        """Write an object like `write_if`, from a source of unknown length that is read in pieces.

        If this method raises an error, `source` was read in part, and another attempt needs a new one.
        """
        ...

    def stat(self, name: str) -> ObjectInfo:
        """Return the object's size, time and generation. Raises ObjectNotFound."""
        ...

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        """Yield the objects whose names begin with `prefix`, in name order, fetched page by page.

        Without `recursive`, only names without a `/` after the prefix are listed.
        """
        ...

    def move(self, source: str, target: str) -> None:
        """Rename an object, replacing `target`. Succeeds if that is done already: no source, but a target."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object. Succeeds if there is no such object."""
        ...

    def expire(self, prefix: str, days: int) -> bool:
        """Have objects below `prefix` removed once they are `days` old.

        Lifecycle rules that others set remain.
        Call it once a day: a store without lifecycle rules removes the due objects during the call.

        Returns:
            True if a rule was added or an object was removed.

        Raises:
            BucketDenied: The permission to change lifecycle rules is missing.
        """
        ...

    def probe(self) -> None:
        """Raise BucketError unless the bucket answers within a few seconds."""
        ...


def uri_of(bucket: Bucket, name: str) -> str:
    """Return the URI of an object: `gs://bucket/object` or `file:///folder/object`."""
    return f"{bucket.url}/{name}"


def name_in(bucket: Bucket, uri: str) -> str:
    """Return the object name of a URI (or plain name) in this bucket.

    Raises:
        ValueError: The URI belongs to another bucket, or the name is not valid.
    """
    if "://" in uri:
        if not uri.startswith(bucket.url + "/"):
            raise ValueError(f"{uri!r} is not in the bucket {bucket.url}")
        uri = uri[len(bucket.url) + 1 :]
    return check(uri)
