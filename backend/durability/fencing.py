"""The fencing token: of two backends with separate databases, only the newer one may acknowledge changes.

The token is a number in the bucket, `state/epoch.json`.
A starting backend increments it with a compare-and-swap on the object's generation.
From then on the previous holder reads a foreign generation and acknowledges nothing any more.

A change is in the bucket before its acknowledgement checks the token.
The new holder reads the bucket after it has incremented the token.
So the new holder either reads a change, or that change was never acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from backend.http.errors import ServiceUnavailable
from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, BucketUnavailable, ObjectChanged, ObjectInfo, ObjectNotFound
from contract.messages import DECODE_ERRORS

log = logging.getLogger(__name__)

ATTEMPTS = 20
"""Rounds of the compare-and-swap against other starting backends."""


class FencingTokenLost(ServiceUnavailable):
    """Another backend holds the fencing token, so this one may not acknowledge anything any more."""

    def __init__(self) -> None:
        super().__init__("another backend instance is active now; try again to reach it")


class FencingRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """The content of the object: the token, its holder, and when the holder incremented it by its own clock."""

    epoch: int
    holder: str
    raised_at: float


class FencingToken:
    """This process's hold on the fencing token."""

    def __init__(
        self,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        holder: str,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Create a token that is not acquired yet.

        Args:
            bucket: Where the token is stored.
            in_bucket: Runs a blocking call on a pool of threads.
            holder: A name that no other process has.
            on_lost: Called when the token is lost.
        """
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._holder = holder
        self._on_lost = on_lost
        self._generation = NO_OBJECT
        self._check: asyncio.Task[None] | None = None
        self.lost = False

    async def acquire(self, now: float) -> int:
        """Increment the fencing token and hold it. Return the new value of the token.

        Raises:
            BucketError: The bucket failed, or other backends won every round.
        """
        for _ in range(ATTEMPTS):
            number, generation = await self._read()
            record = FencingRecord(epoch=number + 1, holder=self._holder, raised_at=now)
            data = msgspec.json.encode(record)
            try:
                self._generation = await self._in_bucket(
                    self._bucket.write_if, object_names.EPOCH, data, "application/json", generation
                )
            except ObjectChanged:
                continue
            return record.epoch
        raise BucketUnavailable(object_names.EPOCH, f"other backends wrote it first, {ATTEMPTS} times in a row")

    async def _read(self) -> tuple[int, str]:
        try:
            data, generation = await self._in_bucket(self._bucket.read_with_generation, object_names.EPOCH, 4096)
        except ObjectNotFound:
            return 0, NO_OBJECT
        try:
            return msgspec.json.decode(data, type=FencingRecord).epoch, generation
        except DECODE_ERRORS as error:
            log.error("%s is damaged and is overwritten: %s", object_names.EPOCH, error)
            return 0, generation

    async def confirm(self) -> None:
        """Check that this process still holds the fencing token.

        Concurrent callers share one request to the bucket, but only one that starts after they called.

        Raises:
            FencingTokenLost: Another instance holds the token.
            BucketError: The token could not be read.
        """
        if self.lost:
            raise FencingTokenLost
        earlier = self._check
        if earlier is not None and not earlier.done():
            await asyncio.wait([earlier])
        if self._check is earlier or self._check is None:
            self._check = asyncio.create_task(self._compare_generation())
        await asyncio.shield(self._check)

    async def _compare_generation(self) -> None:
        try:
            info: ObjectInfo | None = await self._in_bucket(self._bucket.stat, object_names.EPOCH)
        except ObjectNotFound:
            info = None
        if self.lost or info is None or info.generation != self._generation:
            if not self.lost:
                log.error("another backend acquired the fencing token: this one only answers reads from now on")
            self.lost = True
            self._on_lost()
            raise FencingTokenLost
