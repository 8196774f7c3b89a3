"""The bucket: where originals, variants and sidecars live.

`Bucket` is the whole of what the programs ask of it; a folder on disk and Google Cloud
Storage are its forms, and one suite of promises (`tests/suites/bucket.py`) tests each.
All methods block and may be called from any thread.

Errors, each naming the object:

    BucketError
    ├── ObjectNotFound        there is no such object                   permanent
    ├── ObjectConflict        the name is taken by other bytes          permanent
    ├── ObjectChanged         another writer was first                  permanent
    ├── ObjectTooLarge        it is larger than the caller takes        permanent
    ├── BucketDenied          we lack a permission                      permanent
    └── BucketUnavailable     it did not answer, or broke off           worth another try
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

PIECE_BYTES = 256 * 1024
"""The most that `Bucket.download_to` hands over at once."""


class BucketError(Exception):
    """The bucket could not do what was asked; `name` is the object, `temporary` if a retry may help."""

    temporary = False

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if name else message)
        self.name = name


class ObjectNotFound(BucketError):
    """There is no such object."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "there is no such object in the bucket")


class ObjectConflict(BucketError):
    """The name is taken by other bytes."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "this name is taken by an object with other content")


class ObjectChanged(BucketError):
    """Another writer was first: the object is not of the generation that the caller has read."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "another writer has changed this object since it was read")


class ObjectTooLarge(BucketError):
    """The object is larger than the caller takes; `limit` in bytes."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(name, f"the object is larger than the {limit:,} bytes allowed here")


class BucketDenied(BucketError):
    """We may not do this; the message names what is missing."""


class BucketUnavailable(BucketError):
    """The bucket did not answer, or broke off: worth another try."""

    temporary = True


NO_OBJECT = ""
"""The generation of a name that no object has."""


class ObjectInfo(Struct, frozen=True):
    """What a listing says of an object: name, size in bytes, when it was written, and which writing this is."""

    name: str
    size: int
    updated: float
    generation: str = ""


class ByteWriter(Protocol):
    """Takes bytes in order; `write` may block until there is room, and what it raises ends the reading."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...


class Bucket(Protocol):
    """Objects by name. Names are checked; nothing outside the bucket can be reached."""

    url: str
    """`gs://name` or `file:///folder`, without a slash at the end."""

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The whole object, its checksum verified. Raises ObjectNotFound, ObjectTooLarge."""
        ...

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        """Hand the object to `writer` in pieces of at most `PIECE_BYTES` while it arrives.

        Only the return says that all of it came and its checksum is right: whatever was made of the
        pieces until then must not leave the caller. Raises ObjectNotFound and ObjectTooLarge before
        the first piece; BucketUnavailable when it broke off or arrived damaged (begin anew, with a
        new writer); and whatever `writer` raises.
        """
        ...

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        """Write an object whose name never changes content, so that it may be cached for a year.

        True if it was written, False if the very same bytes lay there already (or came there by a
        try of this call whose answer was lost).
        Raises ObjectConflict if other bytes do.
        """
        ...

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        """Write an object, over whatever lay there; not to be cached.

        Readers see the old or the new, never a part.
        """
        ...

    def read_with_generation(self, name: str, limit: int | None = None) -> tuple[bytes, str]:
        """As `read`, and the generation of what was read: opaque, and another one after each writing."""
        ...

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        """Write an object over that `generation` of it alone, `NO_OBJECT` for none; the new generation.

        Of several who write over one generation, one succeeds. Raises ObjectChanged for the others;
        so may a writing that was repeated because its answer was lost.
        """
        ...

    def stat(self, name: str) -> ObjectInfo:
        """Raises ObjectNotFound."""
        ...

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        """Objects whose names begin with `prefix`, in name order, fetched page by page.

        Not `recursive`: only those without a further `/`.
        """
        ...

    def move(self, source: str, target: str) -> None:
        """Rename, over whatever lay at `target`. Done already (no source, a target) is success."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is removed already."""
        ...

    def expire(self, prefix: str, days: int) -> bool:
        """Have objects below `prefix` removed once they are `days` old; whether that changed anything.

        Rules of others stay as they are. To be repeated once a day: a form whose store does not do it
        by itself removes at each call what is due. Raises BucketDenied without the permission for it.
        """
        ...

    def probe(self) -> None:
        """Raise BucketError unless the bucket answers."""
        ...


def uri_of(bucket: Bucket, name: str) -> str:
    """`gs://bucket/object` or `file:///folder/object`."""
    return f"{bucket.url}/{name}"


def name_in(bucket: Bucket, uri: str) -> str:
    """The object name of a URI (or plain name) in this bucket.

    Raises ValueError when it lies in another bucket or is no object name.
    """
    from contract.object_names import check

    if "://" in uri:
        if not uri.startswith(bucket.url + "/"):
            raise ValueError(f"{uri!r} does not lie in {bucket.url}")
        uri = uri[len(bucket.url) + 1 :]
    return check(uri)
