"""The steps of the demo: upload, dispatch, wait, import. Progress is reported to a `Display`."""

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
from slideshow.output import counted
from slideshow.photos.screens import DEFAULT_SCREENS

POLL_SECONDS = 0.25
FLUSH_AGAIN_SECONDS = 2.0
STALL_SECONDS = 120.0
"""Longer than the rendering of any photo, and than the backend's pauses between failed executions."""
TIME_LIMIT_SECONDS = 900.0
TIME_LIMIT_SECONDS_PER_IMAGE = 20.0
SYNC_SECONDS = 60.0
_DEATH_SECONDS = 2.0


class Display(Protocol):
    """Shows the progress of a demo."""

    def sent(self, number: int, total: int, rejected: int) -> None:
        """Show how many files were uploaded."""

    def rendering(self, status: Status) -> None:
        """Show how many photos are rendered."""


@contextmanager
def explained(backend: BackendProcess) -> Iterator[None]:
    """Replace Unreachable by BackendEnded, with the end of the log, if the backend has died."""
    try:
        yield
    except Unreachable:
        backend.wait(_DEATH_SECONDS)
        backend.check()
        raise


def register_devices(client: Client) -> int:
    """Register the default screens if the backend has no devices, and return the number of new devices."""
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
    """Poll the status until no photo is pending or processing and no execution runs. Return the last status.

    Raises:
        CommandFailed: Nothing changed for `stall_seconds`, or the total time limit was exceeded.
        BackendEnded: The backend died.
    """
    began = flushed = changed_at = clock()
    previous: object = None
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
        current = (sorted(status.images.items()), status.rendered_since)
        if current != previous:
            previous, changed_at = current, now
        if now - changed_at > stall_seconds:
            raise CommandFailed(_stalled(status, unfinished, f"no progress for {now - changed_at:.0f} s", backend))
        if now - began > limit:
            raise CommandFailed(_stalled(status, unfinished, f"not done after {now - began:.0f} s", backend))
        if unfinished and not running and now - flushed > FLUSH_AGAIN_SECONDS:
            client.flush()
            flushed = now
        time.sleep(POLL_SECONDS)


def _stalled(status: Status, unfinished: int, what: str, backend: BackendProcess) -> str:
    errors = [execution.error for execution in status.executions if execution.error]
    because = f" The latest task reported: {errors[0]}." if errors else ""
    return (
        f"{what}, with {counted(unfinished, 'photo')} still to be rendered.{because} See {backend.log}; "
        "finished work is saved, and the same command continues from there"
    )


def sync(client: Client, *, seconds: float = SYNC_SECONDS) -> SyncReport:
    """Import and archive the sidecars. Wait up to `seconds` for another sync to end."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.sync()
        except RequestRejected as rejection:
            if rejection.status != 409 or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def images_of(client: Client, sent: Sequence[SentPhoto]) -> dict[str, ImageInfo]:
    """Return the backend's images of the photos of this run, by image id."""
    ids = {photo.image_id for photo in sent if photo.image_id is not None}
    images: dict[str, ImageInfo] = {}
    if not ids:
        return images
    for image in client.images():
        if image.id in ids:
            images[image.id] = image
            if len(images) == len(ids):
                break
    return images
