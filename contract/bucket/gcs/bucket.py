"""Bucket in Google Cloud Storage, through Google's client.

An object is written in one request, together with the checksum (crc32c) that the service verifies.
`create` requires that the name is free.
If it is taken, the existing object is compared by checksum and not downloaded.
`reading` describes how downloads are verified.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage

from contract.bucket.gcs.client import Access, TimeoutPolicy
from contract.bucket.gcs.reading import crc32c_of, read_in_pieces, read_whole
from contract.bucket.port import (
    NO_OBJECT,
    BucketError,
    BucketUnavailable,
    ByteReader,
    ByteWriter,
    ObjectChanged,
    ObjectConflict,
    ObjectInfo,
    ObjectNotFound,
)
from contract.object_names import check

log = logging.getLogger(__name__)

# Only the owner's programs may read the bucket, so no shared cache may store its objects.
CACHE_FOR_A_YEAR = "private, max-age=31536000, immutable"
NO_CACHE = "no-cache"

PAGE_SIZE = 1000
CHUNK_BYTES = 4 * 1024 * 1024
"""Bytes in memory of an upload of unknown length. The service requires a multiple of 256 KiB."""
ATTEMPTS = 3
"""Attempts of a change that collides with another writer's change."""

COPIED_METADATA = (
    "content_type",
    "cache_control",
    "content_encoding",
    "content_disposition",
    "content_language",
    "metadata",
)
"""Metadata of an object that a copy retains."""

Rule = Mapping[str, Any]
"""One lifecycle rule as the JSON API represents it (https://cloud.google.com/storage/docs/lifecycle)."""


class GcsBucket:
    """Implementation of `contract.bucket.port.Bucket` in Google Cloud Storage."""

    def __init__(self, url: str, *, connections: int, timeouts: TimeoutPolicy | None = None) -> None:
        """Connect to a bucket.

        Args:
            url: `gs://name`.
            connections: Number of threads that use the bucket at the same time.
            timeouts: Limits for each call.

        Raises:
            ValueError: The URL has another form.
            BucketDenied: There are no Google credentials.
        """
        name = url.removeprefix("gs://").rstrip("/")
        if not url.startswith("gs://") or not name or "/" in name:
            raise ValueError(f"{url!r} is not a bucket; expected gs://name")
        self.url = f"gs://{name}"
        self._access = Access(name, connections, timeouts or TimeoutPolicy())

    def read(self, name: str, limit: int | None = None) -> bytes:
        return read_whole(self._access, name, limit)[0]

    def read_with_generation(self, name: str, limit: int | None = None) -> tuple[bytes, str]:
        data, blob = read_whole(self._access, name, limit)
        if blob.generation is None:  # Google's servers always send it
            raise BucketError(name, "the response has no generation of the object")
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
            **self._access.upload_options(len(data)),
        )
        return blob

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        for _ in range(ATTEMPTS):
            with self._access.errors(name):
                try:
                    self._upload(name, data, content_type, CACHE_FOR_A_YEAR, 0)
                    return True
                except PreconditionFailed:
                    log.debug("%s already exists", name)
            try:
                existing = self._access.metadata_of(name)
            except ObjectNotFound:  # it was removed in the meantime, so the name is free
                continue
            if existing.crc32c == crc32c_of(data) and existing.size == len(data):
                return False
            raise ObjectConflict(name)
        raise BucketUnavailable(name, f"the object was created and removed by others during {ATTEMPTS} attempts")

    def replace(self, name: str, data: bytes, content_type: str) -> None:
        with self._access.errors(name):
            self._upload(name, data, content_type, NO_CACHE)

    def write_if(self, name: str, data: bytes, content_type: str, generation: str) -> str:
        with self._access.errors(name):
            try:
                expected = 0 if generation == NO_OBJECT else int(generation)
                return str(self._upload(name, data, content_type, NO_CACHE, expected).generation)
            except PreconditionFailed:
                raise ObjectChanged(name) from None

    def write_stream_if(self, name: str, source: ByteReader, content_type: str, generation: str) -> str:
        blob = self._access.blob(name)
        blob.cache_control = NO_CACHE
        blob.chunk_size = CHUNK_BYTES  # with chunks and without a size, the client sends several requests
        with self._access.errors(name):
            try:
                blob.upload_from_file(
                    _CountedReader(source),
                    content_type=content_type,
                    checksum="crc32c",
                    if_generation_match=0 if generation == NO_OBJECT else int(generation),
                    **self._access.upload_options(CHUNK_BYTES),
                )
            except PreconditionFailed:
                raise ObjectChanged(name) from None
        return str(blob.generation)

    def stat(self, name: str) -> ObjectInfo:
        return _info(self._access.metadata_of(name))

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
                page_size=PAGE_SIZE,
                fields="items(name,size,timeCreated,generation),nextPageToken",
                **self._access.options,
            )
            for blob in listing:
                if _is_name(blob.name):
                    yield _info(blob)

    def move(self, source: str, target: str) -> None:
        check(source), check(target)
        for _ in range(ATTEMPTS):
            try:
                blob = self._access.metadata_of(source)
            except ObjectNotFound:
                if source == target or not self._exists(target):
                    raise
                return
            if source == target:
                return
            with self._access.errors(source):
                try:
                    self._copy(blob, target)
                    # The precondition fails if the source was written again since. The copy is then outdated, and
                    # the source must not be deleted.
                    self._access.bucket.delete_blob(source, if_generation_match=blob.generation, **self._access.options)
                except (NotFound, PreconditionFailed):
                    continue
            return
        raise BucketUnavailable(source, f"the object was overwritten during {ATTEMPTS} attempts to move it")

    def _copy(self, source: storage.Blob, target: str) -> None:
        """Copy a generation over the target, whose own generation must not change in the meantime.

        A retried copy can thus not overwrite what another writer put there after the first one.
        """
        try:
            self._rewrite(source, target, 0)
        except PreconditionFailed:  # the target exists, perhaps from a copy whose answer was lost
            existing = self._access.blob(target)
            existing.reload(**self._access.options)
            self._rewrite(source, target, existing.generation)

    def _rewrite(self, source: storage.Blob, target: str, generation: int) -> None:
        copy, token = self._access.blob(target), None
        # The client sends the object's resource, and metadata that a request contains replaces all that the source has.
        for name in COPIED_METADATA:
            if (value := getattr(source, name)) is not None:
                setattr(copy, name, value)
        while True:
            token, _, _ = copy.rewrite(
                source,
                token=token,
                if_generation_match=generation,
                if_source_generation_match=source.generation,
                **self._access.options,
            )
            if token is None:
                return

    def _exists(self, name: str) -> bool:
        try:
            self._access.metadata_of(name)
        except ObjectNotFound:
            return False
        return True

    def delete(self, name: str) -> None:
        with self._access.errors(name):
            try:
                self._access.bucket.delete_blob(check(name), **self._access.options)
            except NotFound:
                log.debug("%s was already removed", name)

    def expire(self, prefix: str, days: int) -> bool:
        with self._access.errors(""):
            bucket = self._access.client.get_bucket(self._access.bucket_name, **self._access.options)
            # The raw response: the client's own property omits fields that it does not support.
            existing = bucket._properties.get("lifecycle", {}).get("rule", [])
            rules = with_rule(existing, deletion_rule(prefix, days))
            if rules is None:
                return False
            bucket.lifecycle_rules = rules
            bucket.patch(if_metageneration_match=bucket.metageneration, **self._access.options)
        return True

    def probe(self) -> None:
        with self._access.errors(""):
            listing = self._access.client.list_blobs(
                self._access.bucket, max_results=1, fields="items(name)", **self._access.probe_options
            )
            next(iter(listing), None)


class _CountedReader:
    """A source that reports its position, from which the client computes the range of a chunk."""

    def __init__(self, source: ByteReader) -> None:
        self._source = source
        self._position = 0

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._position += len(data)
        return data

    def tell(self) -> int:
        return self._position


def deletion_rule(prefix: str, days: int) -> Rule:
    """Return the lifecycle rule that deletes objects below `prefix` once they are `days` old."""
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}


def with_rule(rules: Sequence[Rule], rule: Rule) -> list[Rule] | None:
    """Append `rule` to `rules`. Return None if it is among them already.

    A rule of an earlier release with another age stays as well: an operator may have set it on purpose.
    Of two ages the shorter takes effect.
    """
    if any(dict(existing) == dict(rule) for existing in rules):
        return None
    return [*rules, rule]


def _is_name(name: str) -> bool:
    """Return True if the name is valid; the Cloud console creates folder objects, which end in a slash."""
    try:
        check(name)
    except ValueError:
        return False
    return True


def _info(blob: storage.Blob) -> ObjectInfo:
    if None in (blob.time_created, blob.size, blob.generation):
        raise BucketError(str(blob.name), "the response lacks the object's size, time or generation")
    return ObjectInfo(str(blob.name), int(blob.size), blob.time_created.timestamp(), str(blob.generation))
