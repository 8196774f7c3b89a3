"""The objects of the imitated Google Cloud Storage: generations, preconditions, checksums, pages. No HTTP.

As strict as the service (https://cloud.google.com/storage/docs/json_api/v1): what it would refuse
is refused here, and what the programs do not use is refused too, so that no test leans on a guess.
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


class Refusal(Exception):
    """An answer that is no success: its status, the API's word for the reason, and a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def not_found(what: str) -> Refusal:
    """What a name gets that nothing has."""
    return Refusal(404, "notFound", f"{what} does not exist.")


def crc32c_text(data: bytes) -> str:
    """The checksum as the API spells it: base64 of four bytes, big end first."""
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


class StoredObject(Struct, frozen=True, kw_only=True):
    """One generation of an object; `created` is epoch time in seconds."""

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
        """As the API describes it; 64-bit numbers are text there."""
        moment = datetime.fromtimestamp(self.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        found: dict[str, Any] = {
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
            found["cacheControl"] = self.cache_control
        return found


def check_preconditions(asked: Mapping[str, str], generation: int, metageneration: int, side: str = "") -> None:
    """Raise Refusal 412 unless the conditions hold; generation 0 is that of no object. `side`: "Source" or empty."""
    for field, found in (("Generation", generation), ("Metageneration", metageneration)):
        wanted, unwanted = asked.get(f"if{side}{field}Match"), asked.get(f"if{side}{field}NotMatch")
        if (wanted is not None and int(wanted) != found) or (unwanted is not None and int(unwanted) == found):
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


class ImitatedBucket:
    """The objects of one bucket by name, and its rules of age. Callers hold the store's lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects: dict[str, StoredObject] = {}
        self.metageneration = 1
        self.lifecycle: dict[str, Any] = {}

    def resource(self) -> dict[str, Any]:
        """As the API describes it."""
        found: dict[str, Any] = {
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "metageneration": str(self.metageneration),
        }
        return {**found, "lifecycle": self.lifecycle} if self.lifecycle else found


class ObjectStore:
    """All buckets; safe to use from many threads."""

    def __init__(self, *names: str, clock: Callable[[], float] = time.time, largest_page: int = MAX_PAGE) -> None:
        """`largest_page`: as the service, this one may give less than it is asked for."""
        self._lock = threading.RLock()
        self._clock = clock
        self._largest_page = largest_page
        # As the service's: microseconds of the start, and never the same twice.
        self._generations = itertools.count(int(clock() * 1_000_000))
        self._buckets: dict[str, ImitatedBucket] = {}
        for name in names:
            self.add_bucket(name)

    def add_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self._buckets[name] = ImitatedBucket(name)

    def bucket(self, name: str) -> ImitatedBucket:
        """Raises Refusal 404."""
        if name not in self._buckets:
            raise not_found(f"The specified bucket {name}")
        return self._buckets[name]

    def patch_bucket(self, name: str, asked: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the rules of age; nothing else can be changed here."""
        with self._lock:
            bucket = self.bucket(name)
            check_preconditions({key: asked[key] for key in asked if "Metageneration" in key}, 0, bucket.metageneration)
            if set(body) != {"lifecycle"} or set(body["lifecycle"]) != {"rule"}:
                raise Refusal(400, "invalid", f"only lifecycle.rule can be changed here, not {sorted(body)}")
            bucket.lifecycle = dict(body["lifecycle"])
            bucket.metageneration += 1
            return bucket.resource()

    def get(self, bucket_name: str, name: str, asked: Mapping[str, str]) -> StoredObject:
        """An object as it is now, or that `generation` of it. Raises Refusal 404 or 412."""
        with self._lock:
            found = self.bucket(bucket_name).objects.get(name)
            wanted = asked.get("generation")
            if found is None or (wanted is not None and int(wanted) != found.generation):
                raise not_found(f"No such object: {bucket_name}/{name}: it")
            check_preconditions(asked, found.generation, found.metageneration)
            return found

    def put(
        self, bucket_name: str, name: str, data: bytes, metadata: Mapping[str, Any], asked: Mapping[str, str]
    ) -> StoredObject:
        """Write an object as `metadata` describes it. Raises Refusal 400 for a wrong checksum, 404, 412."""
        crc32c = crc32c_text(data)
        if metadata.get("crc32c", crc32c) != crc32c:
            raise Refusal(
                400, "invalid", f"Provided CRC32C {metadata['crc32c']} does not match calculated CRC32C {crc32c}."
            )
        if not name or len(name.encode()) > 1024 or "\r" in name or "\n" in name:
            raise Refusal(400, "invalid", "Disallowed object name.")
        with self._lock:
            bucket = self.bucket(bucket_name)
            there = bucket.objects.get(name)
            check_preconditions(asked, there.generation if there else 0, there.metageneration if there else 0)
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

    def delete(self, bucket_name: str, name: str, asked: Mapping[str, str]) -> None:
        """Remove an object. Raises Refusal 404 or 412."""
        with self._lock:
            del self.bucket(bucket_name).objects[self.get(bucket_name, name, asked).name]

    def rewrite(self, source: tuple[str, str], target: tuple[str, str], asked: Mapping[str, str]) -> StoredObject:
        """Copy an object with what describes it; both sides are (bucket, name). Raises Refusal 404 or 412."""
        with self._lock:
            found = self.get(*source, {})
            check_preconditions(asked, found.generation, found.metageneration, "Source")
            described = {"contentType": found.content_type, "cacheControl": found.cache_control}
            return self.put(*target, found.data, described, asked)

    def page(self, bucket_name: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """One page of a listing, in name order; names that go on behind `delimiter` are told as prefixes."""
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        size = min(int(asked.get("maxResults", MAX_PAGE)), self._largest_page)
        after = _read_token(asked["pageToken"]) if "pageToken" in asked else ""
        items: list[dict[str, Any]] = []
        prefixes: list[str] = []
        last = next_page = ""
        with self._lock:
            for name, found in sorted(self.bucket(bucket_name).objects.items()):
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
                    items.append(found.resource())
        told = {"items": items, "prefixes": prefixes, "nextPageToken": next_page}
        return {"kind": "storage#objects", **{key: value for key, value in told.items() if value}}


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(b"after:" + last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        mark, _, last = base64.urlsafe_b64decode(token).decode().partition(":")
    except ValueError:
        mark = last = ""
    if mark != "after":
        raise Refusal(400, "invalid", f"Invalid page token: {token!r}.")
    return last
