"""The metadata sync: imports what a lost report left behind, and archives what is recorded.

A task writes a sidecar before it reports. If the report is lost, the sidecar still says all, and
this reads it. A sidecar is archived only when the database holds what it says; one that cannot
be imported stays where it is and is named in the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from itertools import islice

import msgspec

from backend.database import Database, key_value
from backend.database import images as image_rows
from backend.durability.path_validation import PathValidator
from backend.durability.sidecar_import import ARCHIVABLE, DEAD, REFUSED, WAITS, import_sidecar
from backend.durability.snapshots import Snapshots
from contract import object_names
from contract.bucket.port import Bucket, BucketError, ObjectInfo, ObjectNotFound, name_in
from contract.messages import DECODE_ERRORS
from contract.messages.admin import SyncReport
from contract.messages.sidecars import Sidecar

log = logging.getLogger(__name__)

SIDECAR_LIMIT_BYTES = 4 * 1024 * 1024
PAGE = 200
CONCURRENCY = 8
"""How many sidecars are under way at a time: a bucket in the cloud takes its time for each of its answers."""
MAX_SECONDS = 3600.0
LOCK_SECONDS = 60.0
"""Renewed on the way: only the lock of a process that died lasts this long."""


def parse(data: bytes, image_id: str) -> tuple[Sidecar, datetime]:
    """A sidecar and its time, in UTC. Raises ValueError saying what is wrong with it."""
    try:
        sidecar = msgspec.json.decode(data, type=Sidecar)
    except DECODE_ERRORS as error:
        raise ValueError(f"it is no sidecar: {error}") from error
    if sidecar.image_id != image_id:
        raise ValueError(f"it speaks of another image, {sidecar.image_id}")
    moment = datetime.fromisoformat(sidecar.processed_at)
    try:
        return sidecar, moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"its time {sidecar.processed_at!r} lies in no year of UTC") from error


class SidecarSync:
    """Runs over the waiting sidecars; two runs never overlap, in one process or in two."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        paths: PathValidator,
        holder: str,
        snapshots: Snapshots | None = None,
    ) -> None:
        """`holder` names this process among those that share the database.

        With `snapshots` the database does not outlive the process: a sidecar is archived only once a
        snapshot holds its rows.
        """
        self._database = database
        self._bucket = bucket
        self._paths = paths
        self._holder = holder
        self._snapshots = snapshots
        self._marks: dict[str, int] = {}
        """Of sidecars whose rows are committed and await a snapshot: the moment when that was seen first."""
        self._told: set[str] = set()
        log.info("Metadata sync service initialized")

    async def run(self, now: float, *, within: float = MAX_SECONDS) -> SyncReport | None:
        """One pass, or as much of it as can be done `within` seconds; None if another one is at it."""
        taken = await self._database.write(key_value.acquire_lock, "sync", self._holder, now, LOCK_SECONDS)
        if not taken:
            return None
        try:
            return await self._pass(now, within)
        finally:
            await self._database.write(key_value.release_lock, "sync", self._holder)

    async def _pass(self, now: float, within: float) -> SyncReport:
        found = imported = archived = 0
        began, renewed = time.monotonic(), 0.0
        listing = self._bucket.list(object_names.METADATA)
        while page := await asyncio.to_thread(lambda: list(islice(listing, PAGE))):
            log.info("Syncing %d metadata files", len(page))
            waiting = [(entry, image_id) for entry in page if (image_id := object_names.image_of_sidecar(entry.name))]
            for start in range(0, len(waiting), CONCURRENCY):
                passed = time.monotonic() - began
                if passed > within:
                    break
                if passed > renewed + LOCK_SECONDS / 4:
                    until = now + passed + LOCK_SECONDS
                    await self._database.write(key_value.renew_lock, "sync", self._holder, until)
                    renewed = passed
                at_once = waiting[start : start + CONCURRENCY]
                done = await asyncio.gather(
                    *(self._one(entry, image_id, now) for entry, image_id in at_once), return_exceptions=True
                )
                for result in done:
                    if isinstance(result, BaseException):
                        raise result
                    verdict, new = result
                    imported += new
                    archived += verdict == ARCHIVABLE
                found += len(at_once)
            if time.monotonic() - began > within:
                break
        return SyncReport(found=found, imported=imported, archived=archived, left=found - archived)

    async def _one(self, entry: ObjectInfo, image_id: str, now: float) -> tuple[str, bool]:
        """Import and archive one sidecar: what became of it, and whether it told something new."""
        new = False
        try:
            data = await asyncio.to_thread(self._bucket.read, entry.name, SIDECAR_LIMIT_BYTES)
            sidecar, moment = parse(data, image_id)
            if await self._database.read(image_rows.state_of, image_id) in ("pending", "processing"):
                await asyncio.to_thread(self._check_objects, sidecar)
            verdict, reason, new = await self._database.write(
                import_sidecar, sidecar, self._paths.variant_uri, self._paths.thumbnail_uri, now
            )
            if verdict == ARCHIVABLE and not self._is_durable(image_id):
                return WAITS, new
            if verdict == ARCHIVABLE:
                target = object_names.archived_sidecar(image_id, moment)
                await asyncio.to_thread(self._archive, entry, sidecar, target)
            elif verdict == DEAD:
                await asyncio.to_thread(self._bucket.delete, entry.name)
        except ObjectNotFound as error:
            if error.name == entry.name:
                return WAITS, False  # another run has moved it
            verdict, reason = REFUSED, f"{error}; the image will be rendered again"
        except (BucketError, ValueError) as error:
            verdict, reason = REFUSED, str(error)
        if verdict == REFUSED and entry.name not in self._told:
            log.warning("sidecar %s cannot be imported and stays: %s", entry.name, reason)
            if len(self._told) < 10_000:
                self._told.add(entry.name)
        return verdict, new

    def _is_durable(self, image_id: str) -> bool:
        """Whether rows that are committed by now would survive the process."""
        if self._snapshots is None:
            return True
        mark = self._marks.setdefault(image_id, self._snapshots.mark())
        if not self._snapshots.holds(mark):
            return False
        del self._marks[image_id]
        return True

    def _check_objects(self, sidecar: Sidecar) -> None:
        """Raise ObjectNotFound, naming the object, unless every picture that the sidecar tells of is there."""
        for result in sidecar.results:
            self._bucket.stat(name_in(self._bucket, result.file_path))

    def _archive(self, entry: ObjectInfo, sidecar: Sidecar, target: str) -> None:
        """Move the sidecar to the archive; what an earlier one there tells of other devices is kept in it.

        A sidecar that was written anew since it was read stays for the next pass.
        """
        try:
            earlier = msgspec.json.decode(self._bucket.read(target, SIDECAR_LIMIT_BYTES), type=Sidecar)
        except (ObjectNotFound, *DECODE_ERRORS):
            earlier = None
        if self._bucket.stat(entry.name) != entry:
            return
        if earlier is None:
            self._bucket.move(entry.name, target)
            return
        told = {result.device_size for result in sidecar.results}
        others = tuple(result for result in earlier.results if result.device_size not in told)
        merged = msgspec.structs.replace(sidecar, results=sidecar.results + others)
        self._bucket.replace(target, msgspec.json.encode(merged), "application/json")
        self._bucket.delete(entry.name)
