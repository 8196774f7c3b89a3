"""The job of one image, as a straight sequence, and the only module that orders its I/O.

Download the original, reserve memory, announce the attempt, render, verify the checksum, store variants and thumbnail,
write the sidecar, report. The order matters: only results that are in the bucket are reported. The sidecar is written
before the report, so that a lost report can be repaired from it.

All errors are handled in `ImageJob.run`:
  the photo is bad                    report `failed` with a message; the task continues
  the bucket rejects one object       the same, if the bucket works otherwise
  a transient error of the bucket,    return the image to the backend
    or no memory, process or thread
  the lease is lost, the image gone   drop the image; no report
  a sandbox process crashed           report `failed` as a crash
  a rendering does not end            drop the image; the task ends, because a thread is stuck
  the bucket fails for all objects, the backend does not respond or cannot read a message, another version
                                      the task ends
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from contract import object_names
from contract.bucket.port import Bucket, BucketError, BucketUnavailable, ObjectNotFound, ObjectTooLarge, name_in
from contract.messages.processing import AttemptStart, ClaimedImage, Device, Failure, LeaseList
from processor.backend_api.client import BackendClient
from processor.backend_api.status_codes import blames_the_request
from processor.errors import (
    BackendRejected,
    ImageGone,
    LeaseLost,
    ProcessorError,
    RenderError,
    RenderOverdue,
    SandboxDied,
    is_resource_shortage,
    printable_name,
)
from processor.pool.memory_budget import ORIGINAL_LIMIT_BYTES
from processor.pool.render_pool import RenderPool
from processor.settings import Settings
from processor.task.leases import LeaseKeeper
from processor.task.reporter import Reporter
from processor.task.results import Timings, requested_devices, result_of, sidecar_of, store_variants
from processor.timings import Stopwatch

if TYPE_CHECKING:
    from processor.codecs.download_buffer import Original
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)

MAX_MESSAGE = 2000


class Outcome(Enum):
    """The way in which the job of an image ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    DROPPED = "dropped"
    OVERDUE = "overdue"
    HANDED_BACK = "handed back"


@dataclass(frozen=True, kw_only=True)
class Services:
    """The collaborators that all jobs of a task share; `now` returns epoch time in seconds."""

    bucket: Bucket
    client: BackendClient
    leases: LeaseKeeper
    reporter: Reporter
    pool: RenderPool
    settings: Settings
    now: Callable[[], float] = time.time


class ImageJob:
    """The job of one claimed image."""

    def __init__(self, services: Services, image: ClaimedImage) -> None:
        self._services = services
        self._bucket = services.bucket
        self._pool = services.pool
        self._image = image
        self._name = image.filename or image.id
        self._stopwatch = Stopwatch()
        self._announced = False

    async def run(self, devices: Mapping[str, Device]) -> Outcome:
        """Do the job and handle its errors.

        Raises only errors that end the task; the task then still holds the image's lease.
        """
        image = self._image
        try:
            outcome = await self._complete(requested_devices(image, devices))
        except (LeaseLost, ImageGone) as error:
            log.warning("image %s (%s) dropped: %s", image.id, self._shown, error)
            outcome = Outcome.DROPPED
        except RenderOverdue as error:
            # Not returned to the backend: its attempt stays open, so that the next one is quarantined.
            log.error("image %s (%s) dropped: %s", image.id, self._shown, error)
            outcome = Outcome.OVERDUE
        except SandboxDied as error:
            outcome = await self._fail(str(error), crashed=True)
        except RenderError as error:
            outcome = await self._fail(str(error))
        except BucketError as error:
            if error.temporary:
                outcome = await self._hand_back(f"{self._shown} could not be processed: {error}.")
            else:
                await self._pool.io(self._bucket.probe)  # raises if the bucket fails, and not only this object
                outcome = await self._fail(f"{self._shown} cannot be processed: the bucket rejects {error}.")
        except ProcessorError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if is_resource_shortage(error):
                log.exception("image %s (%s) failed because of a resource shortage", image.id, self._shown)
                outcome = await self._hand_back(f"{self._shown} could not be processed: {reason}.")
            else:
                log.exception("image %s (%s) hit an internal error", image.id, self._shown)
                outcome = await self._fail(f"{self._shown} could not be rendered: {reason}.")
        self._services.leases.drop(image.lease)
        return outcome

    @property
    def _shown(self) -> str:
        return printable_name(self._name)

    async def _complete(self, devices: tuple[Device, ...]) -> Outcome:
        """Do all steps, without error handling."""
        image, services = self._image, self._services
        rendered = await self._download_and_render(devices)
        self._stopwatch.passed("fetching")  # the rest of the download, and its verification
        stored = await store_variants(self._bucket, self._pool, image.id, rendered)
        self._stopwatch.passed("storing")
        # The stages inside of a sandbox process are unknown.
        stages = None if image.suspect else self._stopwatch.stages()
        timings = Timings(seconds=self._stopwatch.total, stages=stages)
        processed_at = services.now()
        moment = datetime.fromtimestamp(processed_at, UTC).isoformat(timespec="milliseconds")
        sidecar = sidecar_of(image.id, rendered, stored, moment, owner=services.settings.owner, timings=timings)
        self._require_lease()
        sidecar_name = object_names.sidecar(image.id)
        await self._pool.io(self._bucket.replace, sidecar_name, msgspec.json.encode(sidecar), "application/json")
        self._require_lease()
        result = result_of(image, rendered, stored, processed_at=processed_at, timings=timings)
        del rendered
        try:
            accepted = await services.reporter.submit(result)
        except BackendRejected as error:
            if not blames_the_request(error):
                raise
            return await self._fail(f"{self._shown} was rendered, but {error}")
        return Outcome.COMPLETE if accepted else Outcome.DROPPED

    async def _download_and_render(self, devices: tuple[Device, ...]) -> RenderedImage:
        """Download, reserve memory, announce, render, verify.

        The photo is rendered during its download. If the download breaks off, the result is discarded, and the photo
        is downloaded completely before it is rendered again. A quarantined image is always downloaded completely first.
        """
        from processor.codecs.download_buffer import DownloadFailed

        source, size = await self._locate()
        self._stopwatch.passed("fetching")
        async with self._pool.originals.reserve(size):
            self._stopwatch.passed("waiting")
            if self._services.settings.streams and not self._image.suspect:
                try:
                    return await self._render_during_download(source, size, devices)
                except DownloadFailed as error:
                    log.warning("rendered image %s discarded, original downloaded again: %s", self._image.id, error)
            with self._fetch_errors(ObjectNotFound, ObjectTooLarge):
                data = await self._pool.io(self._bucket.read, source, ORIGINAL_LIMIT_BYTES)
            return await self._render(data, devices)

    async def _locate(self) -> tuple[str, int]:
        """Return the object name of the original and its size in bytes."""
        with self._fetch_errors(ValueError, ObjectNotFound, ObjectTooLarge):
            source = name_in(self._bucket, self._image.file_path)
            size = self._image.byte_size or (await self._pool.io(self._bucket.stat, source)).size
            if size > ORIGINAL_LIMIT_BYTES:
                raise ObjectTooLarge(source, ORIGINAL_LIMIT_BYTES)
        return source, size

    @contextlib.contextmanager
    def _fetch_errors(self, *kinds: type[Exception]) -> Iterator[None]:
        """Turn errors of these kinds into a failure of the photo, whose original cannot be fetched."""
        try:
            yield
        except kinds as error:
            raise RenderError(self._name, f"cannot be fetched: {error}", "Upload it again") from error

    async def _render_during_download(self, source: str, size: int, devices: tuple[Device, ...]) -> RenderedImage:
        """Render while the original is downloaded. Raises DownloadFailed if the result is invalid."""
        async with self._streamed(source, size) as original:
            return await self._render(original, devices)

    @contextlib.asynccontextmanager
    async def _streamed(self, source: str, size: int) -> AsyncIterator[Original]:
        """Download the object `source` during the block, and verify its checksum at the end of the block.

        Raises:
            DownloadFailed: The download broke off or was damaged, so that results of the block are invalid.
            BucketError: The download did not begin.
        """
        from processor.codecs.download_buffer import DownloadBuffer, DownloadFailed, fill

        buffer = DownloadBuffer(size)
        download = asyncio.create_task(self._pool.io(fill, buffer, self._bucket, source, ORIGINAL_LIMIT_BYTES))
        # A download that exceeds its time limit is no longer awaited, and its readers must not wait either.
        download.add_done_callback(lambda _: buffer.end(complete=False))
        try:
            await asyncio.sleep(0)  # the download takes its thread before a reader does, so readers cannot block it
            error: Exception | None = None
            try:
                yield buffer
            except (RenderError, DownloadFailed) as body_error:
                error = body_error  # possibly only because the download broke off
            try:
                with self._fetch_errors(ObjectNotFound, ObjectTooLarge):
                    await download
            except BucketUnavailable as unavailable:
                if not buffer.count:
                    raise
                raise DownloadFailed(str(unavailable)) from unavailable
            if error is not None:
                raise error
        finally:
            buffer.abandon()
            download.cancel()
            await asyncio.gather(download, return_exceptions=True)

    async def _render(self, original: Original, devices: tuple[Device, ...]) -> RenderedImage:
        """Reserve memory, announce the attempt, and render."""
        image = self._image
        self._stopwatch.passed("fetching")
        async with self._pool.slot(
            original, devices, self._name, quarantined=image.suspect, turn=image.turn, stopwatch=self._stopwatch
        ) as slot:
            self._require_lease()
            if not self._announced:  # a repeated download is not another attempt
                attempt = AttemptStart(attempt=image.attempt, lease=image.lease)
                await self._services.client.start(image.id, attempt)
                self._announced = True
            self._stopwatch.passed("announcing")
            return await self._pool.render(slot, image.focus)

    def _require_lease(self) -> None:
        if not self._services.leases.holds(self._image.lease):
            raise LeaseLost("its lease has ended")

    async def _fail(self, message: str, *, crashed: bool = False) -> Outcome:
        image, leases = self._image, self._services.leases
        log.warning("image %s failed: %s", image.id, message)
        if not leases.holds(image.lease):
            return Outcome.DROPPED
        leases.settling(image.lease)
        failure = Failure(error=message[:MAX_MESSAGE], attempt=image.attempt, lease=image.lease, strike=crashed)
        try:
            await self._services.client.fail(image.id, failure)
        except (LeaseLost, ImageGone) as error:
            log.info("image %s dropped: %s", image.id, error)
            return Outcome.DROPPED
        return Outcome.FAILED

    async def _hand_back(self, message: str) -> Outcome:
        image = self._image
        log.warning("image %s returned to the backend: %s", image.id, message)
        self._services.leases.settling(image.lease)
        await self._services.client.release(LeaseList(leases=(image.lease,)))
        return Outcome.HANDED_BACK
