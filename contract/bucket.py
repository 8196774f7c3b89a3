"""The bucket: where originals, variants and sidecars live.

`Bucket` is the whole of what the programs ask of it; a folder on disk and Google Cloud
Storage are its forms, and one suite of promises (`tests/suites/bucket.py`) tests each.
All methods block and may be called from any thread.

Errors, each naming the object:

    BucketError
    ├── ObjectNotFound        there is no such object                   permanent
    ├── ObjectConflict        the name is taken by other bytes          permanent
    ├── ObjectTooLarge        it is larger than the caller takes        permanent
    ├── BucketDenied          we lack a permission                      permanent
    └── BucketUnavailable     it did not answer, or broke off           worth another try
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct


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


class ObjectTooLarge(BucketError):
    """The object is larger than the caller takes; `limit` in bytes."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(name, f"the object is larger than the {limit:,} bytes allowed here")


class BucketDenied(BucketError):
    """We may not do this; the message names what is missing."""


class BucketUnavailable(BucketError):
    """The bucket did not answer, or broke off: worth another try."""

    temporary = True


class ObjectInfo(Struct, frozen=True):
    """What a listing says of an object: its name, size in bytes, and when it was written."""

    name: str
    size: int
    updated: float


class Bucket(Protocol):
    """Objects by name. Names are checked; nothing outside the bucket can be reached."""

    url: str
    """`gs://name` or `file:///folder`, without a slash at the end."""

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The whole object, its checksum verified. Raises ObjectNotFound, ObjectTooLarge."""
        ...

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        """Write an object whose name never changes content.

        True if it was written, False if the very same bytes lay there already.
        Raises ObjectConflict if other bytes do.
        """
        ...

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        """Write an object, over whatever lay there. Readers see the old or the new, never a part."""
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
