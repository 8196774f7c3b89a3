"""Which of two backends may still acknowledge changes, where each has a database of its own.

The bucket holds a number, `state/epoch.json`. Who takes over raises it, over the generation that it read;
whoever held it before finds another generation there and acknowledges nothing any more. A change is in the
bucket before its acknowledgement asks for the epoch, and a successor reads the bucket after it has raised
the epoch: so either the successor knows the change, or it was never acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, BucketUnavailable, ObjectChanged, ObjectInfo, ObjectNotFound
from contract.messages import DECODE_ERRORS

log = logging.getLogger(__name__)

ATTEMPTS = 20


class FencingTokenLost(Exception):
    """Another backend has raised the epoch: this one may not acknowledge anything any more."""


class FencingRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the object says: a number, who raised it, and when, by that one's clock."""

    epoch: int
    holder: str
    raised_at: float


class FencingToken:
    """This process's hold on the epoch."""

    def __init__(self, bucket: Bucket, in_bucket: Callable[..., Awaitable[Any]], holder: str) -> None:
        """`holder` names this process and no other; `in_bucket` runs a blocking call in a pool of threads."""
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._holder = holder
        self._generation = NO_OBJECT
        self._checking: asyncio.Task[None] | None = None
        self.number = 0
        self.lost = False

    async def take(self, now: float) -> int:
        """Raise the epoch and hold it; its number. Raises BucketError."""
        for _ in range(ATTEMPTS):
            known, generation = await self._read()
            record = FencingRecord(epoch=known + 1, holder=self._holder, raised_at=now)
            data = msgspec.json.encode(record)
            try:
                self._generation = await self._in_bucket(
                    self._bucket.write_if, object_names.EPOCH, data, "application/json", generation
                )
            except ObjectChanged:
                continue
            self.number = record.epoch
            return record.epoch
        raise BucketUnavailable(object_names.EPOCH, f"other backends were first {ATTEMPTS} times")

    async def _read(self) -> tuple[int, str]:
        try:
            data, generation = await self._in_bucket(self._bucket.read_with_generation, object_names.EPOCH, 4096)
        except ObjectNotFound:
            return 0, NO_OBJECT
        try:
            return msgspec.json.decode(data, type=FencingRecord).epoch, generation
        except DECODE_ERRORS as error:
            log.error("%s is damaged (%s) and is written anew", object_names.EPOCH, error)
            return 0, generation

    async def confirm(self) -> None:
        """Return if the epoch was still held after this call began. Raises FencingTokenLost, BucketError.

        Callers share a look at the bucket, but never one that began before they asked.
        """
        if self.lost:
            raise FencingTokenLost
        earlier = self._checking
        if earlier is not None and not earlier.done():
            await asyncio.wait([earlier])
        if self._checking is earlier or self._checking is None:
            self._checking = asyncio.create_task(self._check())
        await asyncio.shield(self._checking)

    async def _check(self) -> None:
        try:
            found: ObjectInfo | None = await self._in_bucket(self._bucket.stat, object_names.EPOCH)
        except ObjectNotFound:
            found = None
        if self.lost or found is None or found.generation != self._generation:
            if not self.lost:
                log.error("another backend has taken over: this one answers reads alone, and writes no more")
            self.lost = True
            raise FencingTokenLost
