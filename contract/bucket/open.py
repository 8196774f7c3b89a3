"""Which form of the bucket a URL stands for. A form's own needs are imported only when it is opened."""

from __future__ import annotations

from contract.bucket.port import Bucket

DEFAULT_CONNECTIONS = 8


def open_bucket(url: str, *, connections: int = DEFAULT_CONNECTIONS) -> Bucket:
    """The bucket of a URL, for at most `connections` threads at a time; more of them wait for each other.

    Raises ValueError for a URL that is not one of ours, BucketError if it cannot be opened.
    """
    if url.startswith("file:///"):
        from contract.bucket.disk import DiskBucket

        return DiskBucket(url)
    if url.startswith("gs://"):
        from contract.bucket.gcs.bucket import GcsBucket

        return GcsBucket(url, connections=connections)
    raise ValueError(f"{url!r} is not a bucket; expected gs://name or file:///folder")
