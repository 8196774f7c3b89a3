"""Objects of the emulated Cloud Storage: generations, preconditions, checksums, pages. No HTTP.

As strict as the service (https://cloud.google.com/storage/docs/json_api/v1).
Requests that the service rejects are rejected here.
Features that the programs do not use are rejected as well, so no test depends on a guess.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from emulators.cloud_storage.rules import (
    DAY,
    DEFAULT_SOFT_DELETE_SECONDS,
    ApiError,
    check_bucket_name,
    check_lifecycle,
    check_preconditions,
    check_upload,
    crc32c_text,
    invalid,
    is_due,
    not_found,
    soft_delete_seconds,
)

MAX_PAGE = 1000


class StoredObject(Struct, frozen=True, kw_only=True):
    """One generation of an object; `created` in seconds since the epoch."""

    bucket: str
    name: str
    data: bytes
    generation: int
    content_type: str
    cache_control: str
    crc32c: str
    created: float
    metageneration: int = 1

    def resource(self) -> dict[str, Any]:
        """Return the object as the API represents it, with 64-bit numbers as text."""
        moment = _rfc3339(self.created)
        resource: dict[str, Any] = {
            "kind": "storage#object",
            "bucket": self.bucket,
            "name": self.name,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "size": str(len(self.data)),
            "crc32c": self.crc32c,
            "contentType": self.content_type,
            "timeCreated": moment,
            "updated": moment,
        }
        if self.cache_control:
            resource["cacheControl"] = self.cache_control
        return resource


class SoftDeleted(Struct, frozen=True):
    """A deleted or overwritten object: its resource without the data, and the time of its permanent deletion."""

    name: str
    generation: int
    hard_delete: float
    resource: dict[str, Any]


class EmulatedBucket:
    """The objects of one bucket by name, and its lifecycle rules. Callers hold the store's lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, StoredObject] = {}
        self.metageneration = 1
        self.lifecycle: dict[str, Any] = {}
        self.soft_delete_seconds = DEFAULT_SOFT_DELETE_SECONDS
        self.soft_deleted: list[SoftDeleted] = []

    def resource(self) -> dict[str, Any]:
        """Return the bucket as the API represents it."""
        resource: dict[str, Any] = {
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "metageneration": str(self.metageneration),
            "softDeletePolicy": {"retentionDurationSeconds": str(self.soft_delete_seconds)},
        }
        return {**resource, "lifecycle": self.lifecycle} if self.lifecycle else resource


class ObjectStore:
    """All buckets; thread-safe."""

    def __init__(self, *names: str, clock: Callable[[], float] = time.time, max_page: int = MAX_PAGE) -> None:
        """Create empty buckets; like the service, a page has at most `max_page` entries even if more are asked."""
        self._lock = threading.RLock()
        self._clock = clock
        self._max_page = max_page
        # Like those of the service: microseconds, and never the same twice.
        self._generations = itertools.count(int(clock() * 1_000_000))
        self._buckets: dict[str, EmulatedBucket] = {}
        for name in names:
            self.add_bucket(name)

    def add_bucket(self, name: str) -> None:
        """Create an empty bucket. Raises ApiError 400 for a name that no bucket may have."""
        check_bucket_name(name)
        self._buckets[name] = EmulatedBucket(name)

    def bucket(self, name: str) -> EmulatedBucket:
        """Return a bucket by name. Raises ApiError 404."""
        if name not in self._buckets:
            raise not_found(f"The specified bucket {name}")
        return self._buckets[name]

    def patch_bucket(self, name: str, query: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the lifecycle rules, all of them, or the soft delete policy. Other changes are not implemented."""
        with self._lock:
            bucket = self.bucket(name)
            check_preconditions({key: query[key] for key in query if "Metageneration" in key}, 0, bucket.metageneration)
            if not body or set(body) - {"lifecycle", "softDeletePolicy"}:
                raise invalid(f"only lifecycle.rule and softDeletePolicy can be changed, not {sorted(body)}")
            if "lifecycle" in body:
                if set(body["lifecycle"]) != {"rule"}:
                    raise invalid(f"lifecycle contains {sorted(body['lifecycle'])} instead of rule")
                check_lifecycle(body["lifecycle"]["rule"], bucket.lifecycle.get("rule", []))
                bucket.lifecycle = dict(body["lifecycle"])
            if "softDeletePolicy" in body:
                bucket.soft_delete_seconds = soft_delete_seconds(body["softDeletePolicy"])
            bucket.metageneration += 1
            return bucket.resource()

    def get(self, bucket_name: str, name: str, query: Mapping[str, str]) -> StoredObject:
        """Return the current generation of an object, which must be the requested one. Raises ApiError 404 or 412."""
        with self._lock:
            current = self.bucket(bucket_name).objects.get(name)
            required = query.get("generation")
            if current is None or (required is not None and int(required) != current.generation):
                raise not_found(f"No such object: {bucket_name}/{name}: it")
            check_preconditions(query, current.generation, current.metageneration)
            return current

    def soft_deleted(self, bucket_name: str, name: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the resource of a soft-deleted generation. Raises ApiError 400 without a generation, or 404."""
        if "generation" not in query:
            raise ApiError(400, "required", "Required parameter: generation")
        with self._lock:
            for gone in self._retained(self.bucket(bucket_name)):
                if gone.name == name and gone.generation == int(query["generation"]):
                    return gone.resource
        raise not_found(f"No such object: {bucket_name}/{name}: it")

    def check_write(self, bucket_name: str, name: str, query: Mapping[str, str]) -> StoredObject | None:
        """Return the object that a write would replace. Raises ApiError 404 or 412."""
        with self._lock:
            existing = self.bucket(bucket_name).objects.get(name)
            check_preconditions(
                query,
                existing.generation if existing else 0,
                existing.metageneration if existing else 0,
                exists=existing is not None,
            )
            return existing

    def put(
        self,
        bucket_name: str,
        name: str,
        data: bytes,
        metadata: Mapping[str, Any],
        query: Mapping[str, str],
        *,
        may_delete: bool = True,
    ) -> StoredObject:
        """Write an object with `metadata`.

        Raises:
            ApiError: 400 for a wrong checksum or name, 403 to overwrite without `may_delete`, 404 or 412.
        """
        check_upload({**metadata, "name": name}, data)
        with self._lock:
            existing = self.check_write(bucket_name, name, query)
            bucket = self.bucket(bucket_name)
            if existing and not may_delete:
                raise ApiError(403, "forbidden", "the caller does not have storage.objects.delete to overwrite")
            written = StoredObject(
                bucket=bucket_name,
                name=name,
                data=data,
                generation=next(self._generations),
                content_type=str(metadata.get("contentType") or "application/octet-stream"),
                cache_control=str(metadata.get("cacheControl", "")),
                crc32c=crc32c_text(data),
                created=self._clock(),
            )
            if existing:
                self._retire(bucket, existing)
            bucket.objects[name] = written
            return written

    def delete(self, bucket_name: str, name: str, query: Mapping[str, str]) -> None:
        """Remove an object. Raises ApiError 404 or 412."""
        with self._lock:
            bucket = self.bucket(bucket_name)
            current = self.get(bucket_name, name, query)
            self._retire(bucket, current)
            del bucket.objects[name]

    def expire_due(self, bucket_name: str) -> list[str]:
        """Delete the objects that a lifecycle rule selects now; return their names."""
        with self._lock:
            bucket, now = self.bucket(bucket_name), self._clock()
            due = [
                name
                for name, current in bucket.objects.items()
                if any(is_due(rule, name, (now - current.created) / DAY) for rule in bucket.lifecycle.get("rule", []))
            ]
            for name in due:
                self.delete(bucket_name, name, {})
            return due

    def _retire(self, bucket: EmulatedBucket, current: StoredObject) -> None:
        """Retain a deleted or overwritten object for the time of the bucket's present policy."""
        if not bucket.soft_delete_seconds:
            return
        now = self._clock()
        hard_delete = now + bucket.soft_delete_seconds
        times = {"softDeleteTime": _rfc3339(now), "hardDeleteTime": _rfc3339(hard_delete)}
        resource = {**current.resource(), **times}
        bucket.soft_deleted.append(SoftDeleted(current.name, current.generation, hard_delete, resource))

    def _retained(self, bucket: EmulatedBucket) -> list[SoftDeleted]:
        now = self._clock()
        bucket.soft_deleted = [gone for gone in bucket.soft_deleted if gone.hard_delete > now]
        return bucket.soft_deleted

    def rewrite(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        query: Mapping[str, str],
        body: Mapping[str, Any],
        *,
        may_delete: bool = True,
    ) -> dict[str, Any]:
        """Copy an object in two calls, as the service does for large or distant ones; return the response.

        Args:
            source: Bucket and name of the object.
            target: Bucket and name of the copy.
            query: Query parameters of the request.
            body: Metadata of the copy. Empty: that of the source. Otherwise it replaces all metadata of the source.
            may_delete: Whether an existing object may be overwritten.

        Raises:
            ApiError: 400 for a wrong token or a body without content type, 403, 404 or 412.
        """
        with self._lock:
            wanted = {"generation": query["sourceGeneration"]} if "sourceGeneration" in query else {}
            current = self.get(*source, wanted)
            check_preconditions(query, current.generation, current.metageneration, "Source")
            existing = self.bucket(target[0]).objects.get(target[1])
            check_preconditions(query, existing.generation if existing else 0, 0, exists=existing is not None)
            if body and "contentType" not in body:
                raise ApiError(400, "required", "You must specify the content type of the destination object.")
            size = str(len(current.data))
            token = _rewrite_token(source, target, current.generation, query, body)
            response = {"kind": "storage#rewriteResponse", "objectSize": size}
            if "rewriteToken" not in query:
                return {**response, "totalBytesRewritten": "0", "done": False, "rewriteToken": token}
            if query["rewriteToken"] != token:
                raise invalid("Invalid rewrite token.")
            described = {"contentType": current.content_type, "cacheControl": current.cache_control}
            copied = {key: value for key, value in (body or described).items() if key != "name"}
            copy = self.put(*target, current.data, copied, query, may_delete=may_delete)
            return {**response, "totalBytesRewritten": size, "done": True, "resource": copy.resource()}

    def page(self, bucket_name: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of a listing in name order; names that continue after `delimiter` are listed as prefixes."""
        if query.get("softDeleted") == "true":
            return self._soft_deleted_page(bucket_name, query)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        size = min(int(query.get("maxResults", MAX_PAGE)), self._max_page)
        after = _read_token(query["pageToken"]) if "pageToken" in query else ""
        items: list[dict[str, Any]] = []
        prefixes: list[str] = []
        last = next_page = ""
        with self._lock:
            for name, current in sorted(self.bucket(bucket_name).objects.items()):
                if not name.startswith(prefix):
                    continue
                head, more, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
                entry = prefix + head + more if more else name
                if entry <= after or entry == last:
                    continue
                if len(items) + len(prefixes) == size:
                    next_page = _token(last)
                    break
                last = entry
                if more:
                    prefixes.append(entry)
                else:
                    items.append(current.resource())
        listing = {"items": items, "prefixes": prefixes, "nextPageToken": next_page}
        return {"kind": "storage#objects", **{key: value for key, value in listing.items() if value}}

    def _soft_deleted_page(self, bucket_name: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the soft-deleted objects below a prefix, on one page."""
        if set(query) - {"softDeleted", "prefix", "fields", "projection", "prettyPrint"}:
            raise ApiError(501, "notImplemented", "listings of soft-deleted objects have no pages here")
        with self._lock:
            gone = [
                one for one in self._retained(self.bucket(bucket_name)) if one.name.startswith(query.get("prefix", ""))
            ]
        ordered = sorted(gone, key=lambda one: (one.name, one.generation))
        return {"kind": "storage#objects", "items": [one.resource for one in ordered]}


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rewrite_token(*arguments: object) -> str:
    """Return the token that continues one copy: it is valid only with the arguments of the first call."""
    *places, query, body = arguments
    assert isinstance(query, Mapping)
    same = sorted((key, value) for key, value in query.items() if key != "rewriteToken")
    return hashlib.sha256(repr((places, same, body)).encode()).hexdigest()


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(b"after:" + last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        mark, _, last = base64.urlsafe_b64decode(token).decode().partition(":")
    except ValueError:
        mark = last = ""
    if mark != "after":
        raise invalid(f"Invalid page token: {token!r}.")
    return last
