"""The components of one backend process: opened before the app is assembled, and closed in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from backend.auth.access import Authority
from backend.auth.device_cache import DeviceCache
from backend.auth.open_hosts import OpenHosts
from backend.auth.passwords import hash_password, is_password_of
from backend.database import (
    Database,
    claims,
    devices,
    images,
    key_value,
    record_queries,
    reject_empty,
    sessions,
    sqlite_file,
)
from backend.durability.fencing import FencingToken, FencingTokenLost
from backend.durability.record_writer import RecordWriter
from backend.durability.sidecar_import import PathValidator
from backend.durability.sidecar_sync import SidecarSync
from backend.durability.snapshots import Snapshots, open_own_bucket
from backend.frames import service as frames_service
from backend.frames.service import FrameService, open_frames
from backend.http.limits import Connections
from backend.http.metrics import Metrics
from backend.http.middleware import ServingState
from backend.http.proxy_headers import TrustedProxies, parse_networks
from backend.images.deletion import Deletion
from backend.images.ingest import Ingest
from backend.jobs.open_runner import open_runner
from backend.jobs.queue import JobQueue
from backend.jobs.queue_monitor import QueueMonitor
from backend.jobs.runner import Runner
from backend.jobs.tick_scheduler import open_tick_scheduler
from backend.settings import Settings
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket, BucketError
from contract.machine import container_memory_limit

if TYPE_CHECKING:
    from backend.auth.google_oidc import SchedulerIdentity

log = logging.getLogger(__name__)

TRANSIENT_CHANGES: frozenset[Callable[..., object]] = frozenset(
    {
        key_value.acquire_lock,
        key_value.renew_lock,
        key_value.release_lock,
        key_value.put,
        claims.renew,
        devices.mark_seen,
        frames_service.advance,
        record_queries.mark_recorded,
    }
)
"""Frequent queries whose changes may be lost. They do not trigger a snapshot."""
STOP_SECONDS = 8.0
"""Time from SIGTERM to the end of the process. Cloud Run sends SIGKILL after 10 s."""
TASKS_SECONDS = 3.0
"""The part of it in which local tasks return their photos."""
UPLOADS_SECONDS = 2.0
"""The part of it in which open uploads can complete."""
LAST_SNAPSHOT_SECONDS = 3.5
"""The part of it that is left for the last snapshot when open requests are cancelled."""
UPLOAD_MEMORY_FACTOR = 2.5
"""Memory of an upload as a multiple of its size limit: four uploads of 30 MiB took 298 MB."""

Clock = Callable[[], float]
"""Returns the time in seconds since the Unix epoch."""


@contextlib.asynccontextmanager
async def open_services(settings: Settings, *, own_url: str, clock: Clock = time.time) -> AsyncIterator[Services]:
    """Open the components, and close them after the block.

    Args:
        settings: The settings.
        own_url: The address of this server. Tasks call it unless BACKEND_API_URL is set.
        clock: Returns the time.
    """
    services = Services(settings, own_url=own_url, clock=clock)
    try:
        await services.read_database()
        try:
            yield services
        finally:
            services.begin_stop()
            await services.end_tasks()
            await services.save_last_snapshot()
            if services.tick_scheduler is not None:
                services.tick_scheduler.close()
    finally:
        services.bucket_threads.shutdown(wait=True)
        services.database.close()


class Services:
    """The components. `open_services` creates them."""

    authority: Authority
    """`read_database` assigns this and `frames`, and assigns both again after a snapshot is loaded."""
    frames: FrameService

    def __init__(self, settings: Settings, *, own_url: str, clock: Clock) -> None:
        """Open and migrate the database, open the bucket, and create everything that needs no query."""
        self.settings = settings
        self.clock = clock
        self.wake_up = asyncio.Event()
        """Set when the periodic work may have something to do before its next run."""
        self.ending = asyncio.Event()
        """Set when the server is asked to end: streaming responses must stop."""
        self.open_uploads: set[asyncio.Timeout] = set()
        """The time limits of the uploads under way. `begin_stop` shortens them."""
        self._stop_at = math.inf
        self.last_error: str | None = None
        self.metrics = Metrics()
        proxies = TrustedProxies(parse_networks(settings.trusted_proxies), every_peer=bool(settings.k_service))
        self.connections = Connections(proxies, per_address=settings.connections_per_address)
        self.serving_state = ServingState(durable=settings.durable)
        if settings.durable and (file := sqlite_file(settings.database)) is not None:
            reject_empty(file)
        self.database = Database(settings.database)
        if not settings.durable:
            self.database.recreate()  # the bucket is the truth, and the file may be older or newer
        self.database.migrate()
        self.database.ephemeral = TRANSIENT_CHANGES
        threads = settings.uploads_at_once + 2
        self.bucket: Bucket = open_bucket(settings.bucket, connections=threads + 2)  # two for the metadata sync
        self.bucket_threads = ThreadPoolExecutor(threads, "bucket")
        self.in_bucket: Callable[..., Awaitable[Any]] = functools.partial(
            asyncio.get_running_loop().run_in_executor, self.bucket_threads
        )
        """Runs a blocking call of the bucket on a thread of its pool."""
        self.upload_slots = asyncio.Semaphore(settings.uploads_at_once)
        self.device_cache = DeviceCache(self.database)
        self.path_validator = PathValidator(self.bucket)
        holder = f"{os.getpid()}-{secrets.token_hex(8)}"
        self.fencing_token: FencingToken | None = None
        self.snapshots: Snapshots | None = None
        if not settings.durable:
            self.fencing_token = FencingToken(self.bucket, self.in_bucket, holder, on_lost=self.serving_state.lose)
            delay = settings.snapshot_delay_seconds
            self.snapshots = Snapshots(
                self.database,
                self.bucket,
                self.in_bucket,
                self.fencing_token,
                delay,
                own_bucket=open_own_bucket(settings.snapshot_bucket_url, self.bucket, threads + 2),
                memory_limit=container_memory_limit(),
                uploads_bytes=int(settings.uploads_at_once * settings.upload_limit_mib * 2**20 * UPLOAD_MEMORY_FACTOR),
            )
        self.record_writer = RecordWriter(self.database, self.bucket, self.in_bucket, self.fencing_token)
        self.sidecar_sync = SidecarSync(self.database, self.bucket, holder, self.snapshots)
        self.backend_url = settings.backend_api_url or own_url
        self.runner: Runner = open_runner(settings, self.database, self._task_environment, self.wake_up.set)
        self.tick_scheduler = open_tick_scheduler(settings, self.backend_url)
        self.queue = JobQueue(self.database, self.runner, settings, self.tick_scheduler)
        self.queue_monitor = QueueMonitor(self.database)
        self.deletion = Deletion(self.database, self.bucket, self.in_bucket, self.record_writer)
        self.ingest = Ingest(
            settings,
            self.database,
            self.bucket,
            self.in_bucket,
            self.record_writer,
            clock=clock,
            wake_up=self.wake_up.set,
            dispatch_if_due=self.queue.dispatch_if_due,
        )

    async def read_database(self) -> None:
        """Create the components that depend on stored values. Called again once a snapshot is loaded.

        If the address of the bucket has changed, the stored addresses are updated.
        """
        settings = self.settings
        if self.database.is_sqlite and (settings.embedded or not settings.durable):  # no other backend uses it
            await self.database.write(key_value.release_all_locks)
        picture_key = await self.database.write(key_value.get_or_insert, "picture_key", secrets.token_hex(32))
        stored_url = await self.database.write(key_value.get_or_insert, "bucket_url", self.bucket.url)
        if stored_url != self.bucket.url:
            log.warning("the bucket moved from %s to %s: updating stored addresses", stored_url, self.bucket.url)
            await self.database.write(images.move_bucket, stored_url, self.bucket.url)
            await self.database.write(key_value.put, "bucket_url", self.bucket.url)
        await self._end_sessions_of_another_password()
        self.authority = Authority(
            self.database,
            self.device_cache,
            processor_tokens=[settings.processor_auth_token, settings.processor_auth_token_previous],
            admin_password=settings.admin_password,
            metrics_token=settings.metrics_token,
            device_auth=settings.device_auth,
            session_seconds=settings.session_hours * 3600,
            picture_key=picture_key,
            public_url=settings.public_url,
            open_hosts=OpenHosts(
                settings.allowed_hosts.split(),
                public_url=settings.public_url,
                service=settings.k_service,
                origins=settings.cors_origins.split(),
            ),
            scheduler=self._scheduler(),
        )
        self.frames = open_frames(
            self.database, self.bucket, self.authority.signature, self.clock, lambda: self.serving_state.writing
        )

    async def _end_sessions_of_another_password(self) -> None:
        """End all sessions if the password has changed since they were opened: a thief may have one of them."""
        secret = self.settings.admin_password
        stored = await self.database.read(key_value.get, sessions.PASSWORD_HASH)
        if stored is None:  # a new database, or one of an earlier version
            await self.database.write(
                key_value.put, sessions.PASSWORD_HASH, await asyncio.to_thread(hash_password, secret)
            )
        elif not await asyncio.to_thread(is_password_of, secret, stored):
            new_hash = await asyncio.to_thread(hash_password, secret)
            ended = await self.database.write(sessions.end_all_sessions, new_hash)
            log.warning("the admin password has changed: ended %d sessions", ended)

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

    def begin_stop(self) -> None:
        """Begin to end: stop streams, and let open uploads complete within `UPLOADS_SECONDS`."""
        if self.ending.is_set():
            return
        self.ending.set()
        now = asyncio.get_running_loop().time()
        self._stop_at = now + STOP_SECONDS
        for limit in self.open_uploads:
            if limit.expired():
                continue
            limit.reschedule(min(limit.when() or math.inf, now + UPLOADS_SECONDS))

    def seconds_left(self) -> float:
        """Return the time until the process must have ended."""
        return max(0.0, self._stop_at - asyncio.get_running_loop().time())

    def drain_seconds(self) -> float:
        """Return the time that open requests may take. The last snapshot must still be possible afterwards."""
        return max(0.0, self.seconds_left() - (LAST_SNAPSHOT_SECONDS if self.snapshots else 0.0))

    async def end_tasks(self) -> None:
        """End the tasks that cannot outlive this process, within a time limit."""
        try:
            async with asyncio.timeout(min(TASKS_SECONDS, self.seconds_left())):
                await self.runner.close()
        except TimeoutError:
            log.warning("local tasks did not end within %.0f s of SIGTERM: their leases expire", TASKS_SECONDS)

    async def save_last_snapshot(self) -> None:
        """Take a snapshot of changes that are in none, within the time that is left.

        Best effort: anything missing from the snapshot is restored from records and sidecars.
        """
        snapshots = self.snapshots
        if snapshots is None or not self.serving_state.writing or snapshots.covers(snapshots.checkpoint()):
            return
        try:
            async with asyncio.timeout(self.seconds_left()):
                await snapshots.take()
        except (BucketError, FencingTokenLost, TimeoutError, OSError) as error:
            log.error(
                "the last snapshot of the database could not be taken: %s; the next start reads more of the bucket",
                error or "time limit exceeded",
            )
