"""Which form of the bucket a URL stands for. A form's own needs are imported only when it is opened."""

from __future__ import annotations

from contract.bucket import Bucket


def open_bucket(url: str) -> Bucket:
    """The bucket of a URL. Raises ValueError for a scheme that is not ours."""
    if url.startswith("file:///"):
        from contract.bucket_disk import DiskBucket

        return DiskBucket(url)
    raise ValueError(f"{url!r} is not a bucket; expected file:///folder")
