"""Opens what the app is assembled from, and closes it in reverse."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from backend.auth import Authority
from backend.database import Database, housekeeping, images
from backend.jobs.queue import JobQueue
from backend.jobs.runner import Runner
from backend.jobs.runners import open_runner
from backend.metadata_sync import MetadataSync
from backend.metrics import Metrics
from backend.records import Records
from backend.reported_paths import ReportedPaths
from backend.settings import Settings
from contract.bucket import Bucket
from contract.buckets import open_bucket

log = logging.getLogger(__name__)

T = TypeVar("T")

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
        self.hint = asyncio.Event()
        """Set when there may be something to do before the next tick."""
        self.database = Database(settings.database)
        self.database.migrate()
        threads = settings.uploads_at_once + 2
        self.bucket: Bucket = open_bucket(settings.bucket, connections=threads + 2)  # the sync has threads of its own
        self.bucket_threads = ThreadPoolExecutor(threads, "bucket")
        self.upload_slots = asyncio.Semaphore(settings.uploads_at_once)
        self.paths = ReportedPaths(self.bucket)
        self.metrics = Metrics()
        self.records = Records(self.database, self.bucket, self.in_bucket, self.confirm)
        self.backend_url = settings.backend_api_url or own_url
        self.last_error: str | None = None
        self.authority: Authority
        self.queue: JobQueue
        self.sync: MetadataSync
        self.runner: Runner

    async def start(self) -> None:
        """What needs the database: keys, a bucket that moved, the queue."""
        settings = self.settings
        if settings.embedded:  # the data folder's lock says that no other backend works here
            await self.database.write(housekeeping.free_all_locks)
        picture_key = await self.database.write(housekeeping.fact_or_make, "picture_key", secrets.token_hex(32))
        known_url = await self.database.write(housekeeping.fact_or_make, "bucket_url", self.bucket.url)
        if known_url != self.bucket.url:
            log.warning("the bucket is now %s and was %s: the stored addresses follow", self.bucket.url, known_url)
            await self.database.write(images.move_bucket, known_url, self.bucket.url)
            await self.database.write(housekeeping.set_fact, "bucket_url", self.bucket.url)
        self.authority = Authority(
            self.database,
            processor_tokens=[settings.processor_auth_token, settings.processor_auth_token_previous],
            admin_password=settings.admin_password,
            metrics_token=settings.metrics_token,
            device_auth=settings.device_auth,
            session_seconds=settings.session_hours * 3600,
            picture_key=picture_key,
        )
        self.runner = open_runner(settings, self.database, self._task_environment, self.hint.set)
        self.queue = JobQueue(self.database, self.runner, settings)
        self.sync = MetadataSync(self.database, self.bucket, self.paths, f"{os.getpid()}-{secrets.token_hex(4)}")

    def _task_environment(self) -> dict[str, str]:
        return {
            "BUCKET_URL": self.bucket.url,
            "BACKEND_API_URL": self.backend_url,
            "BACKEND_AUTH_TOKEN": self.settings.processor_auth_token,
        }

    async def confirm(self) -> None:
        """Raise Unavailable unless this process may still acknowledge changes."""

    async def in_bucket(self, call: Callable[..., T], *args: object) -> T:
        """Run a blocking call of the bucket in a thread of its pool."""
        return await asyncio.get_running_loop().run_in_executor(self.bucket_threads, call, *args)

    async def close(self) -> None:
        await self.runner.close()
        self.bucket_threads.shutdown(wait=True)
        self.database.close()
