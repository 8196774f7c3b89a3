"""Open a bucket by its URL. Third-party packages are imported only for the implementation that needs them."""

from __future__ import annotations

from contract.bucket.port import Bucket

DEFAULT_CONNECTIONS = 8


def open_bucket(url: str, *, connections: int = DEFAULT_CONNECTIONS) -> Bucket:
    """Open the bucket of a URL.

    Args:
        url: `gs://name` or `file:///folder`.
        connections: Number of threads that can use the bucket at the same time; further threads wait.

    Raises:
        ValueError: The URL has another form.
        BucketError: The bucket cannot be opened.
    """
    if url.startswith("file:///"):
        from contract.bucket.disk import DiskBucket

        return DiskBucket(url)
    if url.startswith("gs://"):
        from contract.bucket.gcs.bucket import GcsBucket

        return GcsBucket(url, connections=connections)
    raise ValueError(f"{url!r} is not a bucket; expected gs://name or file:///folder")
