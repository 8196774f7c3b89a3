"""Scheduling the tick that dispatches a batch after the flush delay, where no local timer runs.

On Cloud Run a service has no CPU between requests, and Cloud Scheduler calls at most once a minute. Cloud Tasks calls
the tick at a given second, so that a photo waits for the flush delay and not for the next minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from backend.settings import Settings

if TYPE_CHECKING:
    from google.cloud import tasks_v2

log = logging.getLogger(__name__)

CREATE_SECONDS = 2.0
"""Time limit for creating a task: an upload waits for it."""
DISPATCH_DEADLINE_SECONDS = 300
"""Time limit of the tick that the task calls, as for the ticks of Cloud Scheduler."""


class WaitingPhoto(Struct, frozen=True):
    """The pending photo that was queued first: its id, and seconds since the epoch."""

    image_id: str
    queued_at: float


class TickScheduler(Protocol):
    """Calls the tick at a later time."""

    async def schedule(self, oldest: WaitingPhoto, at: float) -> None:
        """Have the tick called at `at` (seconds since the epoch) for the batch that `oldest` begins.

        Calls for the same photo make one tick. A failure is logged and never raised: the tick of each minute follows.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class CloudTasksScheduler:
    """Creates one Cloud Tasks task per batch, named by a hash of its oldest photo."""

    def __init__(self, settings: Settings, backend_url: str) -> None:
        """Connect on first use. `backend_url` is the address of this backend, whose tick the tasks call."""
        self._settings = settings
        self._backend_url = backend_url
        self._queue = queue_name(settings)
        self._thread = ThreadPoolExecutor(1, "cloud-tasks")
        self._client: tasks_v2.CloudTasksClient | None = None
        self._scheduled = ""

    async def schedule(self, oldest: WaitingPhoto, at: float) -> None:
        name = task_name(oldest)
        if name == self._scheduled:
            return
        call = asyncio.get_running_loop().run_in_executor(self._thread, self._create, name, at)
        try:
            await asyncio.wait_for(call, CREATE_SECONDS)
        except TimeoutError:
            log.warning(
                "[JobQueue] scheduling a tick took longer than %.0f s; the next minute's follows", CREATE_SECONDS
            )
        except Exception as error:  # noqa: BLE001  # no error here may fail an upload that is stored
            log.warning("[JobQueue] a tick could not be scheduled; the next minute's follows: %s", error)
        else:
            self._scheduled = name

    def _create(self, name: str, at: float) -> None:
        from google.api_core.exceptions import AlreadyExists

        task = tick_task(self._settings, self._backend_url, name, at)
        try:
            if self._client is None:
                self._client = open_client(self._settings.cloud_tasks_endpoint)
            self._client.create_task(request={"parent": self._queue, "task": task}, retry=None, timeout=CREATE_SECONDS)
        except AlreadyExists:
            return  # another upload of this batch has created it

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.transport.close()  # type: ignore[no-untyped-call]


def open_tick_scheduler(settings: Settings, backend_url: str) -> TickScheduler | None:
    """Return the scheduler that the settings select, or None where a timer or Cloud Scheduler alone calls the tick."""
    if not settings.cloud_tasks_queue:
        return None
    return CloudTasksScheduler(settings, backend_url)


def queue_name(settings: Settings) -> str:
    """Return the full name of the queue, `projects/.../locations/.../queues/...`."""
    return f"projects/{settings.gcp_project_id}/locations/{settings.gcp_region}/queues/{settings.cloud_tasks_queue}"


def tick_task(settings: Settings, backend_url: str, name: str, at: float | None) -> tasks_v2.Task:
    """Return a task that calls the tick of a backend.

    Args:
        settings: Queue, and account and audience of the ID token that the task carries.
        backend_url: Address of the backend.
        name: Id of the task within the queue.
        at: Time of the call in seconds since the epoch. None: as soon as possible.
    """
    from google.cloud import tasks_v2
    from google.protobuf import duration_pb2

    token = tasks_v2.OidcToken(service_account_email=settings.tick_service_account, audience=settings.tick_audience)
    target = tasks_v2.HttpRequest(
        url=f"{backend_url.rstrip('/')}/internal/tick", http_method=tasks_v2.HttpMethod.POST, oidc_token=token
    )
    return tasks_v2.Task(
        name=f"{queue_name(settings)}/tasks/{name}",
        http_request=target,
        schedule_time=None if at is None else datetime.fromtimestamp(at, UTC),
        dispatch_deadline=duration_pb2.Duration(seconds=DISPATCH_DEADLINE_SECONDS),
    )


def task_name(oldest: WaitingPhoto) -> str:
    """Return the id of the task of a batch: the same for all its uploads, spread evenly as the API recommends."""
    return hashlib.sha256(f"{oldest.image_id} {oldest.queued_at!r}".encode()).hexdigest()[:40]


def open_client(endpoint: str) -> tasks_v2.CloudTasksClient:
    """Return a client of the API, or of the emulator for a `grpc://` endpoint."""
    from google.cloud import tasks_v2

    parts = urlsplit(endpoint)
    if parts.scheme == "grpc":  # a server on this machine, without credentials and encryption
        import grpc
        from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

        channel = grpc.insecure_channel(parts.netloc, options=[("grpc.enable_http_proxy", 0)])
        return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    options = {"api_endpoint": parts.netloc} if parts.netloc else None
    return tasks_v2.CloudTasksClient(client_options=options)
