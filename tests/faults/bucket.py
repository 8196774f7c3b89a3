"""A bucket whose calls fail, break off, or succeed without saying so."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from contract.bucket.port import Bucket, BucketUnavailable, ByteWriter, ObjectInfo
from tests.faults.fault_plan import FaultPlan

CALLS = ("read", "create", "replace", "read_with_generation", "write_if", "stat", "move", "delete", "probe")
"""What may be met by a fault; the other calls are passed on, those in pieces with faults of their own."""
MAX_WAIT_SECONDS = 0.2


class FaultyBucket:
    """A `Bucket` over another one. Every fault is one that `contract.bucket.port` allows a caller to see."""

    def __init__(self, bucket: Bucket, orders: FaultPlan, chances: random.Random) -> None:
        self._bucket = bucket
        self._orders = orders
        self._chances = chances
        self._lock = threading.Lock()
        self.url = bucket.url

    def _fault(self) -> str | None:
        with self._lock:
            met = self._chances.random() < self._orders.bucket_faults
            kind = self._chances.choice(("refused", "answer lost", "slow"))
        if self._orders.bucket_faults >= 1:  # it is gone
            kind = "refused"
        return kind if met and not self._orders.calm else None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bucket, name)
        if name not in CALLS:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._met(name, args, lambda: found(*args, **kwargs))

        return call

    def _met(self, name: str, args: tuple[Any, ...], work: Callable[[], Any]) -> Any:
        shown = str(args[0]) if args else name
        kind = self._fault()
        if kind == "refused":
            raise BucketUnavailable(shown, "the bucket was told not to answer")
        if kind == "slow":
            time.sleep(MAX_WAIT_SECONDS)
        answer = work()
        if kind == "answer lost":
            raise BucketUnavailable(shown, "the bucket was told to lose its answer")
        return answer

    def list(self, prefix: str, *, recursive: bool = False) -> Iterator[ObjectInfo]:
        """The listing, which may break off after its first entry."""
        broken = self._fault() is not None
        for place, entry in enumerate(self._bucket.list(prefix, recursive=recursive)):
            if broken and place:
                raise BucketUnavailable(prefix, "the bucket was told to break its listing off")
            yield entry

    def download_to(self, name: str, writer: ByteWriter, limit: int | None = None) -> None:
        """The object, whose last piece may be missing."""
        self._bucket.download_to(name, writer, limit)
        if self._fault() is not None:
            raise BucketUnavailable(name, "the bucket was told to break its answer off")
