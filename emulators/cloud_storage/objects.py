"""Objects of the emulated Cloud Storage: generations, preconditions, checksums, pages. No HTTP.

As strict as the service (https://cloud.google.com/storage/docs/json_api/v1).
Requests that the service rejects are rejected here.
Features that the programs do not use are rejected as well, so no test depends on a guess.
"""

from __future__ import annotations

import base64
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import google_crc32c
from msgspec import Struct

MAX_PAGE = 1000


class ApiError(Exception):
    """An error response: HTTP status, the API's `reason`, and a message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def not_found(what: str) -> ApiError:
    """Return the error for a missing bucket or object."""
    return ApiError(404, "notFound", f"{what} does not exist.")


def crc32c_text(data: bytes) -> str:
    """Return the checksum in the API's encoding: base64 of four bytes, big-endian."""
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


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
        moment = datetime.fromtimestamp(self.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
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


def check_preconditions(query: Mapping[str, str], generation: int, metageneration: int, side: str = "") -> None:
    """Raise ApiError 412 unless the preconditions hold.

    Args:
        query: Query parameters of the request.
        generation: Current generation, 0 without an object.
        metageneration: Current metageneration.
        side: "Source" for the source of a copy, else empty.
    """
    for field, current in (("Generation", generation), ("Metageneration", metageneration)):
        required, excluded = query.get(f"if{side}{field}Match"), query.get(f"if{side}{field}NotMatch")
        if (required is not None and int(required) != current) or (excluded is not None and int(excluded) == current):
            raise ApiError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


class EmulatedBucket:
    """The objects of one bucket by name, and its lifecycle rules. Callers hold the store's lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, StoredObject] = {}
        self.metageneration = 1
        self.lifecycle: dict[str, Any] = {}

    def resource(self) -> dict[str, Any]:
        """Return the bucket as the API represents it."""
        resource: dict[str, Any] = {
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "metageneration": str(self.metageneration),
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
        """Create an empty bucket."""
        self._buckets[name] = EmulatedBucket(name)

    def bucket(self, name: str) -> EmulatedBucket:
        """Return a bucket by name. Raises ApiError 404."""
        if name not in self._buckets:
            raise not_found(f"The specified bucket {name}")
        return self._buckets[name]

    def patch_bucket(self, name: str, query: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the lifecycle rules; other changes are not implemented."""
        with self._lock:
            bucket = self.bucket(name)
            check_preconditions({key: query[key] for key in query if "Metageneration" in key}, 0, bucket.metageneration)
            if set(body) != {"lifecycle"} or set(body["lifecycle"]) != {"rule"}:
                raise ApiError(400, "invalid", f"only lifecycle.rule can be changed, not {sorted(body)}")
            bucket.lifecycle = dict(body["lifecycle"])
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

    def put(
        self, bucket_name: str, name: str, data: bytes, metadata: Mapping[str, Any], query: Mapping[str, str]
    ) -> StoredObject:
        """Write an object with `metadata`. Raises ApiError 400 for a wrong checksum, 404 or 412."""
        crc32c = crc32c_text(data)
        if metadata.get("crc32c", crc32c) != crc32c:
            raise ApiError(
                400, "invalid", f"Provided CRC32C {metadata['crc32c']} does not match calculated CRC32C {crc32c}."
            )
        if not name or len(name.encode()) > 1024 or "\r" in name or "\n" in name:
            raise ApiError(400, "invalid", "Disallowed object name.")
        with self._lock:
            bucket = self.bucket(bucket_name)
            existing = bucket.objects.get(name)
            check_preconditions(
                query, existing.generation if existing else 0, existing.metageneration if existing else 0
            )
            written = StoredObject(
                bucket=bucket_name,
                name=name,
                data=data,
                generation=next(self._generations),
                content_type=str(metadata.get("contentType", "application/octet-stream")),
                cache_control=str(metadata.get("cacheControl", "")),
                crc32c=crc32c,
                created=self._clock(),
            )
            bucket.objects[name] = written
            return written

    def delete(self, bucket_name: str, name: str, query: Mapping[str, str]) -> None:
        """Remove an object. Raises ApiError 404 or 412."""
        with self._lock:
            del self.bucket(bucket_name).objects[self.get(bucket_name, name, query).name]

    def rewrite(self, source: tuple[str, str], target: tuple[str, str], query: Mapping[str, str]) -> StoredObject:
        """Copy an object with its metadata; `source` and `target` are (bucket, name). Raises ApiError 404 or 412."""
        with self._lock:
            current = self.get(*source, {})
            check_preconditions(query, current.generation, current.metageneration, "Source")
            described = {"contentType": current.content_type, "cacheControl": current.cache_control}
            return self.put(*target, current.data, described, query)

    def page(self, bucket_name: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of a listing in name order; names that continue after `delimiter` are listed as prefixes."""
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


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(b"after:" + last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        mark, _, last = base64.urlsafe_b64decode(token).decode().partition(":")
    except ValueError:
        mark = last = ""
    if mark != "after":
        raise ApiError(400, "invalid", f"Invalid page token: {token!r}.")
    return last
