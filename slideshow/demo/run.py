"""What the demo asks of the backend, step by step. What is shown of it is the display's business."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from contract.messages.admin import ImageInfo, Status, SyncReport
from contract.messages.devices import DeviceBody
from slideshow.client.http import Client
from slideshow.client.local_backend import BackendProcess
from slideshow.client.uploads import SentPhoto
from slideshow.errors import CommandFailed, RequestRejected, Unreachable
from slideshow.formatting import counted
from slideshow.photos.screens import DEFAULT_SCREENS

POLL_SECONDS = 0.25
FLUSH_AGAIN_SECONDS = 2.0
STALL_SECONDS = 120.0
"""Longer than any single picture takes, and than the backend's pauses between executions that failed."""
TIME_LIMIT_SECONDS = 900.0
TIME_LIMIT_SECONDS_PER_IMAGE = 20.0
SYNC_SECONDS = 60.0
_DEATH_SECONDS = 2.0


class Display(Protocol):
    """Where the demo shows how far it is."""

    def sent(self, number: int, total: int, refused: int) -> None: ...

    def rendering(self, status: Status) -> None: ...


@contextmanager
def explained(backend: BackendProcess) -> Iterator[None]:
    """Turn "does not answer" into what the dead backend said last, if it is dead."""
    try:
        yield
    except Unreachable:
        backend.wait(_DEATH_SECONDS)
        backend.check()
        raise


def register_screens(client: Client) -> int:
    """Register the default screens unless there are devices; how many were new."""
    if client.devices().devices:
        return 0
    for device in DEFAULT_SCREENS:
        body = DeviceBody(name=device.name, width=device.width, height=device.height, pairing=False)
        client.save_device(body)
    return len(DEFAULT_SCREENS)


def wait_until_rendered(
    client: Client,
    backend: BackendProcess,
    since: float,
    show: Callable[[Status], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    stall_seconds: float = STALL_SECONDS,
) -> Status:
    """Follow the work until nothing is pending, in work or executing; the last status.

    Raises CommandFailed if nothing moves for `stall_seconds` or all of it takes far too long, BackendEnded if the
    backend dies.
    """
    began = flushed = moved = clock()
    before: object = None
    limit: float | None = None
    while True:
        backend.check()
        status = client.status(since)
        show(status)
        unfinished = status.images.get("pending", 0) + status.images.get("processing", 0)
        running = any(execution.state in ("starting", "running") for execution in status.executions)
        if not unfinished and not running:
            return status
        now = clock()
        limit = limit or TIME_LIMIT_SECONDS + TIME_LIMIT_SECONDS_PER_IMAGE * unfinished
        mark = (sorted(status.images.items()), status.rendered_since)
        if mark != before:
            before, moved = mark, now
        if now - moved > stall_seconds:
            raise CommandFailed(_stalled(status, unfinished, f"nothing has moved for {now - moved:.0f} s", backend))
        if now - began > limit:
            raise CommandFailed(_stalled(status, unfinished, f"not done after {now - began:.0f} s", backend))
        if unfinished and not running and now - flushed > FLUSH_AGAIN_SECONDS:
            client.flush()
            flushed = now
        time.sleep(POLL_SECONDS)


def _stalled(status: Status, unfinished: int, what: str, backend: BackendProcess) -> str:
    errors = [execution.error for execution in status.executions if execution.error]
    because = f" The last task said: {errors[0]}." if errors else ""
    return (
        f"{what}, with {counted(unfinished, 'photo')} still to be rendered.{because} Look into {backend.log}; "
        "what is done is kept, and the same command goes on from there"
    )


def sync(client: Client, *, seconds: float = SYNC_SECONDS) -> SyncReport:
    """Import and archive the sidecars; waits while another sync is under way, for `seconds` at most."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.sync()
        except RequestRejected as refusal:
            if refusal.status != 409 or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def images_of(client: Client, sent: Sequence[SentPhoto]) -> dict[str, ImageInfo]:
    """What the backend knows about the photos of this run, by image id."""
    wanted = {photo.image_id for photo in sent if photo.image_id is not None}
    found: dict[str, ImageInfo] = {}
    if not wanted:
        return found
    for image in client.images():
        if image.id in wanted:
            found[image.id] = image
            if len(found) == len(wanted):
                break
    return found
