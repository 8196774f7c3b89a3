"""The metadata sync: import the sidecars whose report was lost, then archive them.

A task writes a sidecar before it reports.
If the report is lost, the sidecar still contains the complete result, and the sync imports it.
A sidecar is archived only when the database contains its results.
A sidecar that cannot be imported stays in place and is named in the log.
Archived sidecars are deleted after 30 days by a lifecycle rule of the bucket.
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
from backend.durability.record_writer import gather_all
from backend.durability.sidecar_import import ARCHIVABLE, DELETED, REJECTED, WAITS, PathValidator, import_sidecar
from backend.durability.snapshots import Snapshots
from contract import object_names
from contract.bucket.port import Bucket, BucketDenied, BucketError, ObjectInfo, ObjectNotFound, name_in
from contract.messages import DECODE_ERRORS
from contract.messages.admin import SyncReport
from contract.messages.sidecars import Sidecar

log = logging.getLogger(__name__)

SIDECAR_LIMIT_BYTES = 4 * 1024 * 1024
PAGE_SIZE = 200
CONCURRENCY = 8
"""Sidecars processed at a time. The latency of a bucket in the cloud dominates."""
MAX_SECONDS = 3600.0
LOCK_SECONDS = 60.0
"""Renewed during a pass. Only the lock of a process that died lasts this long."""
MAX_LOGGED = 10_000
"""Number of sidecars whose rejection is logged once and not at each pass."""
LAST_SYNC = "last_sync"
"""Key of the time of the last pass."""

ARCHIVE_DAYS = 30
LAST_EXPIRY_CHECK = "archive_age"
"""Key of the time when the lifecycle rule was last checked."""
DAY_SECONDS = 24 * 3600.0
RETRY_SECONDS = 3600.0
"""Delay before the lifecycle rule is checked again after the bucket failed."""


def parse(data: bytes, image_id: str) -> tuple[Sidecar, datetime]:
    """Return a sidecar and its time in UTC. Raises ValueError if the content is invalid."""
    try:
        sidecar = msgspec.json.decode(data, type=Sidecar)
    except DECODE_ERRORS as error:
        raise ValueError(f"not a valid sidecar: {error}") from error
    if sidecar.image_id != image_id:
        raise ValueError(f"it contains the results of another image, {sidecar.image_id}")
    moment = datetime.fromisoformat(sidecar.processed_at)
    try:
        return sidecar, moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"its time {sidecar.processed_at!r} is out of range in UTC") from error


class SidecarSync:
    """Processes the waiting sidecars. Passes never overlap, neither in one process nor in two."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        holder: str,
        snapshots: Snapshots | None = None,
    ) -> None:
        """Create a sync.

        Args:
            database: Receives the results.
            bucket: Contains the sidecars.
            holder: A name for this process that no other process on this database has.
            snapshots: Given if the database does not outlive the process. A sidecar is archived only once a
                snapshot contains its rows.
        """
        self._database = database
        self._bucket = bucket
        self._paths = PathValidator(bucket)
        self._holder = holder
        self._snapshots = snapshots
        self._checkpoints: dict[str, int] = {}
        """For images whose rows are committed but in no snapshot yet: the checkpoint to wait for."""
        self._logged: set[str] = set()
        log.info("Metadata sync service initialized")

    async def run_if_due(self, now: float, interval: float, *, within: float) -> int:
        """Run a pass if the last one began at least `interval` seconds ago. Return the number of archived sidecars."""
        stored = await self._database.read(key_value.get, LAST_SYNC)
        last = float(stored or 0)
        if last <= now < last + interval:  # a time in the future was stored before the clock was set back
            return 0
        await self._database.write(key_value.put, LAST_SYNC, str(now))
        report = await self.run(now, within=within)
        return report.archived if report else 0

    async def run(self, now: float, *, within: float = MAX_SECONDS) -> SyncReport | None:
        """Run one pass, or what fits into `within` seconds. Return None while another pass is under way."""
        locked = await self._database.write(key_value.acquire_lock, "sync", self._holder, now, LOCK_SECONDS)
        if not locked:
            return None
        try:
            return await self._pass(now, within)
        finally:
            await self._database.write(key_value.release_lock, "sync", self._holder)

    async def _pass(self, now: float, within: float) -> SyncReport:
        found = imported = archived = 0
        began, renewed = time.monotonic(), 0.0
        listing = self._bucket.list(object_names.METADATA)
        while page := await asyncio.to_thread(lambda: list(islice(listing, PAGE_SIZE))):
            log.info("Syncing %d metadata files", len(page))
            waiting = [(entry, image_id) for entry in page if (image_id := object_names.image_of_sidecar(entry.name))]
            for start in range(0, len(waiting), CONCURRENCY):
                elapsed = time.monotonic() - began
                if elapsed > within:
                    break
                if elapsed > renewed + LOCK_SECONDS / 4:
                    until = now + elapsed + LOCK_SECONDS
                    await self._database.write(key_value.renew_lock, "sync", self._holder, until)
                    renewed = elapsed
                batch = waiting[start : start + CONCURRENCY]
                for action, is_new in await gather_all(
                    self._process(entry, image_id, now) for entry, image_id in batch
                ):
                    imported += is_new
                    archived += action == ARCHIVABLE
                found += len(batch)
            if time.monotonic() - began > within:
                break
        return SyncReport(found=found, imported=imported, archived=archived, left=found - archived)

    async def _process(self, entry: ObjectInfo, image_id: str, now: float) -> tuple[str, bool]:
        """Import and archive one sidecar. Return what was done with it, and True if it contained new results."""
        is_new = False
        try:
            data = await asyncio.to_thread(self._bucket.read, entry.name, SIDECAR_LIMIT_BYTES)
            sidecar, moment = parse(data, image_id)
            if await self._database.read(image_rows.state_of, image_id) in ("pending", "processing"):
                await asyncio.to_thread(self._require_objects, sidecar)
            action, reason, is_new = await self._database.write(import_sidecar, sidecar, self._paths, now)
            if action == ARCHIVABLE and not self._is_durable(image_id):
                return WAITS, is_new
            if action == ARCHIVABLE:
                target = object_names.archived_sidecar(image_id, moment)
                await asyncio.to_thread(self._archive, entry, sidecar, target)
            elif action == DELETED:
                await asyncio.to_thread(self._bucket.delete, entry.name)
        except ObjectNotFound as error:
            if error.name == entry.name:
                return WAITS, False  # another pass has moved it
            action, reason = REJECTED, f"{error}; the image will be rendered again"
        except (BucketError, ValueError) as error:
            action, reason = REJECTED, str(error)
        if action == REJECTED and entry.name not in self._logged:
            log.warning("sidecar %s cannot be imported and stays: %s", entry.name, reason)
            if len(self._logged) < MAX_LOGGED:
                self._logged.add(entry.name)
        return action, is_new

    def _is_durable(self, image_id: str) -> bool:
        """Return True if the committed rows of the image would survive the process."""
        if self._snapshots is None:
            return True
        checkpoint = self._checkpoints.setdefault(image_id, self._snapshots.checkpoint())
        if not self._snapshots.covers(checkpoint):
            return False
        del self._checkpoints[image_id]
        return True

    def _require_objects(self, sidecar: Sidecar) -> None:
        """Raise ObjectNotFound for the first picture of the sidecar that is not in the bucket."""
        for result in sidecar.results:
            self._bucket.stat(name_in(self._bucket, result.file_path))

    def _archive(self, entry: ObjectInfo, sidecar: Sidecar, target: str) -> None:
        """Move the sidecar to the archive, and keep the results of other devices that an earlier one there contains.

        A sidecar that was overwritten since it was read stays for the next pass.
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
        replaced = {result.device_size for result in sidecar.results}
        others = tuple(result for result in earlier.results if result.device_size not in replaced)
        merged = msgspec.structs.replace(sidecar, results=sidecar.results + others)
        self._bucket.replace(target, msgspec.json.encode(merged), "application/json")
        self._bucket.delete(entry.name)

    async def expire_archive_if_due(self, now: float) -> bool:
        """Once a day, make the bucket delete archived sidecars after 30 days. Return True if that changed something.

        A missing permission is logged. Without the rule the archive grows, which does no other harm.

        Raises:
            BucketUnavailable: The bucket did not answer. The next try follows in an hour.
        """
        stored = await self._database.read(key_value.get, LAST_EXPIRY_CHECK)
        last = float(stored or 0)
        if last <= now < last + DAY_SECONDS:  # a time in the future was stored before the clock was set back
            return False
        retry = now - DAY_SECONDS + RETRY_SECONDS
        await self._database.write(key_value.put, LAST_EXPIRY_CHECK, str(retry))
        changed = False
        try:
            changed = await asyncio.to_thread(self._bucket.expire, object_names.ARCHIVE, ARCHIVE_DAYS)
        except BucketDenied as error:
            log.warning(
                "cannot set the lifecycle rule on %s: %s. Add the rule manually or grant storage.buckets.get and "
                "storage.buckets.update",
                object_names.ARCHIVE,
                error,
            )
        await self._database.write(key_value.put, LAST_EXPIRY_CHECK, str(now))
        if changed:
            log.info("archived sidecars are removed after %d days", ARCHIVE_DAYS)
        return changed
