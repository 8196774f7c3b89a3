"""Bucket whose calls fail, break off, or succeed without a response."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from contract.bucket.port import Bucket, BucketUnavailable, ByteWriter, ObjectInfo
from tests.faults.fault_plan import FaultPlan

CALLS = (
    "read",
    "create",
    "replace",
    "read_with_generation",
    "write_if",
    "write_stream_if",
    "stat",
    "move",
    "delete",
    "probe",
)
"""Calls that get a fault here. Listings and downloads have their own faults; all other calls have none."""
SLOW_SECONDS = 0.2


class FaultyBucket:
    """A `Bucket` that wraps another one and injects only errors that `contract.bucket.port` allows."""

    def __init__(self, bucket: Bucket, plan: FaultPlan, chances: random.Random) -> None:
        self._bucket = bucket
        self._plan = plan
        self._chances = chances
        self._lock = threading.Lock()
        self.url = bucket.url

    def _fault(self) -> str | None:
        with self._lock:
            met = self._chances.random() < self._plan.bucket_faults
            kind = self._chances.choice(("unavailable", "response lost", "slow"))
        if self._plan.bucket_faults >= 1:  # the bucket is gone
            kind = "unavailable"
        return kind if met and not self._plan.quiet else None

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._bucket, name)
        if name not in CALLS:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(str(args[0]) if args else name, lambda: attribute(*args, **kwargs))

        return call

    def _call(self, name: str, work: Callable[[], Any]) -> Any:
        kind = self._fault()
        if kind == "unavailable":
            raise BucketUnavailable(name, "injected fault: no response")
        if kind == "slow":
            time.sleep(SLOW_SECONDS)
        result = work()
        if kind == "response lost":
            raise BucketUnavailable(name, "injected fault: response lost")
        return result

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        """Yield the listing, which may break off after its first entry."""
        broken = self._fault() is not None
        for index, entry in enumerate(self._bucket.list(prefix, recursive=recursive)):
            if broken and index:
                raise BucketUnavailable(prefix, "injected fault: listing broken off")
            yield entry

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        """Download the object, and possibly fail at its end."""
        self._bucket.download_to(name, writer, limit)
        if self._fault() is not None:
            raise BucketUnavailable(name, "injected fault: download broken off")
