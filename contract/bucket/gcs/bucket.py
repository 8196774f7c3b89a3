"""The bucket in Google Cloud Storage, by Google's client.

What a name holds is written in one request, with the checksum (crc32c) that the service compares.
`create` has the service refuse a name that is taken; what then lies there is compared by checksum,
not fetched. How reading is proven stands in `bucket_gcs_reading`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage

from contract.bucket.gcs.client import Access, TimeoutPolicy
from contract.bucket.gcs.lifecycle import deletion_rule, with_rule
from contract.bucket.gcs.reading import crc32c_of, read_in_pieces, read_whole
from contract.bucket.port import (
    NO_OBJECT,
    BucketError,
    BucketUnavailable,
    ByteWriter,
    ObjectChanged,
    ObjectConflict,
    ObjectInfo,
    ObjectNotFound,
)
from contract.object_names import check

log = logging.getLogger(__name__)

# Nobody but the owner's programs may read the bucket, so no shared cache may keep what it holds.
FOR_A_YEAR = "private, max-age=31536000, immutable"
NEVER = "no-cache"

PAGE = 1000
TRIES = 3
"""How often a change is made that crossed another one."""


class GcsBucket:
    """The Google Cloud Storage form of `contract.bucket.port.Bucket`."""

    def __init__(self, url: str, *, connections: int, patience: TimeoutPolicy | None = None) -> None:
        """`url` is `gs://name`; `connections` is how many threads will use it at a time.

        Raises ValueError for another URL, BucketDenied where there are no credentials.
        """
        name = url.removeprefix("gs://").rstrip("/")
        if not url.startswith("gs://") or not name or "/" in name:
            raise ValueError(f"{url!r} is not a bucket; expected gs://name")
        self.url = f"gs://{name}"
        self._access = Access(name, connections, patience or TimeoutPolicy())

    def read(self, name: str, limit: int | None = None) -> bytes:
        return read_whole(self._access, name, limit)[0]

    def read_with_generation(self, name: str, limit: int | None = None) -> tuple[bytes, str]:
        data, blob = read_whole(self._access, name, limit)
        if blob.generation is None:  # an answer without it, which Google's own servers do not give
            raise BucketError(name, "the service did not say which generation of the object it sent")
        return data, str(blob.generation)

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        read_in_pieces(self._access, name, writer, limit)

    def _upload(
        self, name: str, data: bytes, content_type: str, cache: str, generation: int | None = None
    ) -> storage.Blob:
        blob = self._access.blob(name)
        blob.cache_control = cache
        blob.upload_from_string(
            data,
            content_type=content_type,
            checksum="crc32c",
            if_generation_match=generation,
            **self._access.waits_sending(len(data)),
        )
        return blob

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        for _ in range(TRIES):
            with self._access.errors(name):
                try:
                    self._upload(name, data, content_type, FOR_A_YEAR, 0)
                    return True
                except PreconditionFailed:
                    log.debug("%s is there already", name)
            try:
                found = self._access.stored(name)
            except ObjectNotFound:  # it went in between, so the name is free
                continue
            if found.crc32c == crc32c_of(data) and found.size == len(data):
                return False
            raise ObjectConflict(name)
        raise BucketUnavailable(name, "it comes and goes while it is written")

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        with self._access.errors(name):
            self._upload(name, data, content_type, NEVER)

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        with self._access.errors(name):
            try:
                expected = 0 if generation == NO_OBJECT else int(generation)
                return str(self._upload(name, data, content_type, NEVER, expected).generation)
            except PreconditionFailed:
                raise ObjectChanged(name) from None

    def stat(self, name: str) -> ObjectInfo:
        return _info(self._access.stored(name))

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        if folder:
            check(folder)
        return self._pages(prefix, recursive)

    def _pages(self, prefix: str, recursive: bool) -> Iterator[ObjectInfo]:
        with self._access.errors(""):
            listing = self._access.client.list_blobs(
                self._access.bucket,
                prefix=prefix or None,
                delimiter=None if recursive else "/",
                page_size=PAGE,
                fields="items(name,size,timeCreated,generation),nextPageToken",
                **self._access.waits,
            )
            for blob in listing:
                if _is_name(blob.name):
                    yield _info(blob)

    def move(self, source: str, target: str) -> None:
        origin, goal = check(source), check(target)
        for _ in range(TRIES):
            try:
                found = self._access.stored(origin)
            except ObjectNotFound:
                if origin == goal or not self._exists(goal):
                    raise
                return
            if origin == goal:
                return
            with self._access.errors(source):
                try:
                    self._copy(found, goal)
                    # Written anew since: what was copied is not what lies there, so both are kept.
                    self._access.bucket.delete_blob(origin, if_generation_match=found.generation, **self._access.waits)
                except (NotFound, PreconditionFailed):
                    continue
            return
        raise BucketUnavailable(source, "it is written while it is moved")

    def _copy(self, source: storage.Blob, target: str) -> None:
        blob, token = self._access.blob(target), None
        while True:
            token, _, _ = blob.rewrite(
                source, token=token, if_source_generation_match=source.generation, **self._access.waits
            )
            if token is None:
                return

    def _exists(self, name: str) -> bool:
        try:
            self._access.stored(name)
        except ObjectNotFound:
            return False
        return True

    def delete(self, name: str) -> None:
        with self._access.errors(name):
            try:
                self._access.bucket.delete_blob(check(name), **self._access.waits)
            except NotFound:
                log.debug("%s is removed already", name)

    def expire(self, prefix: str, days: int) -> bool:
        with self._access.errors(""):
            bucket = self._access.client.get_bucket(self._access.bucket_name, **self._access.waits)
            # As the service told them: the client's own reading leaves out what it does not know.
            known = bucket._properties.get("lifecycle", {}).get("rule", [])
            rules = with_rule(known, deletion_rule(prefix, days))
            if rules is None:
                return False
            bucket.lifecycle_rules = rules
            bucket.patch(if_metageneration_match=bucket.metageneration, **self._access.waits)
        return True

    def probe(self) -> None:
        with self._access.errors(""):
            listing = self._access.client.list_blobs(
                self._access.bucket, max_results=1, fields="items(name)", **self._access.brief_waits
            )
            next(iter(listing), None)


def _is_name(name: str) -> bool:
    """Whether an object may be one of ours; consoles make some that end in a slash."""
    try:
        check(name)
    except ValueError:
        return False
    return True


def _info(blob: storage.Blob) -> ObjectInfo:
    if None in (blob.time_created, blob.size, blob.generation):
        raise BucketError(str(blob.name), "the service did not tell its size, time and generation")
    return ObjectInfo(str(blob.name), int(blob.size), blob.time_created.timestamp(), str(blob.generation))
