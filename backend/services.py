"""Opens what the app is assembled from, and closes it in reverse."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from backend.auth.access import Authority
from backend.auth.device_cache import DeviceCache
from backend.database import Database, claims, devices, images, key_value, record_queries, shuffle_queues
from backend.durability.fencing import FencingToken, FencingTokenLost
from backend.durability.path_validation import PathValidator
from backend.durability.record_writer import RecordWriter
from backend.durability.sidecar_sync import SidecarSync
from backend.durability.snapshots import Snapshots
from backend.frames.service import FrameService, open_frames
from backend.http.metrics import Metrics
from backend.http.middleware import ServingState
from backend.jobs.open_runner import open_runner
from backend.jobs.queue import JobQueue
from backend.jobs.queue_monitor import QueueMonitor
from backend.jobs.runner import Runner
from backend.settings import Settings
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket, BucketError

if TYPE_CHECKING:
    from backend.auth.google_oidc import SchedulerIdentity

log = logging.getLogger(__name__)

T = TypeVar("T")

PASSING: frozenset[Callable[..., object]] = frozenset(
    {
        key_value.acquire_lock,
        key_value.renew_lock,
        key_value.release_lock,
        key_value.put,
        claims.renew,
        devices.mark_seen,
        shuffle_queues.save_position,
        record_queries.mark_recorded,
    }
)
"""What changes all the time and would be no loss: no snapshot is taken for it alone."""
LAST_POSITIONS_SECONDS = 1.0
LAST_SNAPSHOT_SECONDS = 7.0
"""Cloud Run kills 10 s after it asked to end."""

Clock = Callable[[], float]
"""Gives the time in seconds since the epoch."""


class Services:
    """The collaborators of one backend process."""

    def __init__(self, settings: Settings, *, own_url: str, clock: Clock = time.time) -> None:
        """Opens the database (and migrates it), the bucket, the queue and its runner.

        `own_url` is where this server answers; tasks call it unless BACKEND_API_URL says otherwise.
        """
        self.settings = settings
        self.clock = clock
        self.wake_up = asyncio.Event()
        """Set when there may be something to do before the next tick."""
        self.ending = asyncio.Event()
        """Set when the server is asked to end: what streams must stop."""
        self.serving_state = ServingState(durable=settings.durable)
        self.database = Database(settings.database)
        if not settings.durable:
            self.database.recreate()  # what it holds is older or newer than the bucket; that decides
        self.database.migrate()
        threads = settings.uploads_at_once + 2
        self.bucket: Bucket = open_bucket(settings.bucket, connections=threads + 2)  # the sync has threads of its own
        self.bucket_threads = ThreadPoolExecutor(threads, "bucket")
        self.upload_slots = asyncio.Semaphore(settings.uploads_at_once)
        self.database.ephemeral = PASSING
        self.database.private = frozenset({shuffle_queues.save})  # the shows keep them, and know what they kept
        self.device_cache = DeviceCache(self.database)
        self.path_validator = PathValidator(self.bucket)
        self.metrics = Metrics()
        self.record_writer = RecordWriter(self.database, self.bucket, self.in_bucket, self.confirm)
        self.holder = f"{os.getpid()}-{secrets.token_hex(8)}"
        self.fencing_token: FencingToken | None = None
        self.snapshots: Snapshots | None = None
        if not settings.durable:
            self.fencing_token = FencingToken(self.bucket, self.in_bucket, self.holder)
            delay = settings.snapshot_delay_seconds
            self.snapshots = Snapshots(self.database, self.bucket, self.in_bucket, self.fencing_token, delay)
        self.backend_url = settings.backend_api_url or own_url
        self.last_error: str | None = None
        self.authority: Authority
        self.frames: FrameService
        self._started = False
        self.queue: JobQueue
        self.queue_monitor: QueueMonitor
        self.sidecar_sync: SidecarSync
        self.runner: Runner

    async def start(self) -> None:
        """What needs the database, the queue, its runner and the sync."""
        self.runner = open_runner(self.settings, self.database, self._task_environment, self.wake_up.set)
        await self.read_database()
        self.queue_monitor = QueueMonitor(self.database)
        self.queue = JobQueue(self.database, self.runner, self.settings)
        self.sidecar_sync = SidecarSync(self.database, self.bucket, self.path_validator, self.holder, self.snapshots)

    async def read_database(self) -> None:
        """What follows from the database: keys, and a bucket that moved. Again after it was loaded."""
        settings = self.settings
        if settings.embedded or not settings.durable:  # no other backend works on this database
            await self.database.write(key_value.release_all_locks)
        picture_key = await self.database.write(key_value.get_or_insert, "picture_key", secrets.token_hex(32))
        known_url = await self.database.write(key_value.get_or_insert, "bucket_url", self.bucket.url)
        if known_url != self.bucket.url:
            log.warning("the bucket is now %s and was %s: the stored addresses follow", self.bucket.url, known_url)
            await self.database.write(images.move_bucket, known_url, self.bucket.url)
            await self.database.write(key_value.put, "bucket_url", self.bucket.url)
        self.authority = Authority(
            self.database,
            self.device_cache,
            processor_tokens=[settings.processor_auth_token, settings.processor_auth_token_previous],
            admin_password=settings.admin_password,
            metrics_token=settings.metrics_token,
            device_auth=settings.device_auth,
            session_seconds=settings.session_hours * 3600,
            picture_key=picture_key,
            scheduler=self._scheduler(),
        )
        self.frames = open_frames(
            self.database, self.bucket, self.authority.signature, self.clock, lambda: self.serving_state.writing
        )
        self._started = True

    def _scheduler(self) -> SchedulerIdentity | None:
        account = self.settings.tick_service_account
        if not account:
            return None
        from backend.auth.google_oidc import SchedulerIdentity

        return SchedulerIdentity(account, self.settings.tick_audience)

    def _task_environment(self) -> dict[str, str]:
        return {
            "BUCKET_URL": self.bucket.url,
            "BACKEND_API_URL": self.backend_url,
            "BACKEND_AUTH_TOKEN": self.settings.processor_auth_token,
        }

    async def confirm(self) -> None:
        """Raise Unavailable unless this process may still acknowledge changes."""
        if self.fencing_token is None:
            return
        try:
            await self.fencing_token.confirm()
        except FencingTokenLost:
            self.serving_state.lose()
            raise self.serving_state.unavailable() from None

    async def in_bucket(self, call: Callable[..., T], *args: object) -> T:
        """Run a blocking call of the bucket in a thread of its pool."""
        return await asyncio.get_running_loop().run_in_executor(self.bucket_threads, call, *args)

    async def _last_snapshot(self, snapshots: Snapshots) -> None:
        """What it could not say is in records and sidecars: nothing acknowledged depends on it."""
        try:
            async with asyncio.timeout(LAST_SNAPSHOT_SECONDS):
                await snapshots.take()
        except (BucketError, FencingTokenLost, TimeoutError, OSError) as error:
            log.error("no last snapshot of the database: %s; the next start reads more of the bucket", error or "late")

    async def _last_positions(self) -> None:
        """Without them a frame skips some photos."""
        try:
            async with asyncio.timeout(LAST_POSITIONS_SECONDS):
                await self.frames.close()
        except (SQLAlchemyError, TimeoutError) as error:
            log.error("where frames without an interval are was not noted exactly: %s", error or "late")

    async def close(self) -> None:
        await self.runner.close()
        if self._started:
            await self._last_positions()
        if (
            self.snapshots is not None
            and self.serving_state.writing
            and not self.snapshots.holds(self.snapshots.mark())
        ):
            await self._last_snapshot(self.snapshots)
        self.bucket_threads.shutdown(wait=True)
        self.database.close()
