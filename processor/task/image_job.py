"""The way of one image through a task, and the only place that orders its I/O.

Fetch the original, announce the attempt, render, store variants and thumbnail, write the
sidecar, report. The order matters: nothing is reported that does not lie in the bucket, and
the sidecar lies there before the report, so that a lost report can be made good from it.

What goes wrong is sorted here, once:
  the photo's own fault               `failed` with a sentence, and the task goes on
  one of its objects is refused       the same, if the bucket answers otherwise
  a fault that passes                 the image is handed back: of the bucket, or of the machine, which
                                      has no memory, process or thread left
  the lease is lost, the image gone   dropped without a word
  the death of a suspect's process    `failed` with a strike
  a rendering that does not end       dropped, and the task ends, for a thread of it is stuck
  a bucket that answers nothing more, a backend that does not answer or understand, another version
                                      end the task
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from contract import object_names
from contract.bucket.port import Bucket, BucketError, ObjectNotFound, ObjectTooLarge, name_in
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
    is_fault_of_the_machine,
    printable_name,
)
from processor.pool.memory_budget import ORIGINAL_LIMIT_BYTES
from processor.pool.render_pool import RenderPool
from processor.settings import Settings
from processor.task.leases import LeaseKeeper
from processor.task.reporter import Reporter
from processor.task.results import Spent, result_of, sidecar_of, wanted_devices
from processor.task.stream_rendering import render_streaming
from processor.task.timings import Stopwatch
from processor.task.upload_variants import store

if TYPE_CHECKING:
    from processor.codecs.download_buffer import Original
    from processor.render.pipeline import RenderedImage

log = logging.getLogger(__name__)

MAX_SENTENCE = 2000


class Outcome(Enum):
    """What became of an image in this task."""

    COMPLETE = "complete"
    FAILED = "failed"
    DROPPED = "dropped"
    OVERDUE = "overdue"
    HANDED_BACK = "handed back"


class ImageWork:
    """Works on images with the collaborators of one task; `now` is epoch time in seconds."""

    def __init__(
        self,
        *,
        bucket: Bucket,
        client: BackendClient,
        keeper: LeaseKeeper,
        reporter: Reporter,
        renderer: RenderPool,
        settings: Settings,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bucket = bucket
        self._client = client
        self._keeper = keeper
        self._reporter = reporter
        self._renderer = renderer
        self._settings = settings
        self._now = now

    async def work(self, image: ClaimedImage, devices: Mapping[str, Device]) -> Outcome:
        """Do all of it. Raises only what ends the task; its lease is then still kept."""
        name = image.filename or image.id
        shown = printable_name(name)
        try:
            outcome = await self._complete(image, name, wanted_devices(image, devices))
        except (LeaseLost, ImageGone) as error:
            log.warning("%s (image %s) is dropped: %s", shown, image.id, error)
            outcome = Outcome.DROPPED
        except RenderOverdue as error:
            # Not handed back: its attempt stays open, and so the next one is a suspect's.
            log.error("%s (image %s) is dropped: %s", shown, image.id, error)
            outcome = Outcome.OVERDUE
        except SandboxDied as error:
            outcome = await self._fail(image, str(error), strike=True)
        except RenderError as error:
            outcome = await self._fail(image, str(error))
        except BucketError as error:
            if error.temporary:
                outcome = await self._hand_back(image, f"{shown} could not be worked on: {error}.")
            else:
                await self._renderer.io(self._bucket.probe)  # raises if it is the bucket, and not this object
                outcome = await self._fail(image, f"{shown} cannot be worked on: the bucket refuses {error}.")
        except ProcessorError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            if is_fault_of_the_machine(error):
                log.exception("%s (image %s) met a fault of the machine", shown, image.id)
                outcome = await self._hand_back(image, f"{shown} could not be worked on: {why}.")
            else:
                log.exception("%s (image %s) met a fault of this program", shown, image.id)
                outcome = await self._fail(image, f"{shown} could not be rendered: {why}.")
        self._keeper.drop(image.lease)
        return outcome

    async def _complete(self, image: ClaimedImage, name: str, devices: tuple[Device, ...]) -> Outcome:
        watch = Stopwatch()
        rendered = await self._render(image, name, devices, watch)
        watch.passed("fetching")  # the last of it, and the proof that all of it came
        stored = await store(self._bucket, self._renderer, image.id, rendered)
        watch.passed("storing")
        # Nobody looks into a suspect's own process.
        spent = Spent(seconds=watch.total, stages=None if image.suspect else watch.stages())
        processed_at = self._now()
        moment = datetime.fromtimestamp(processed_at, UTC).isoformat(timespec="milliseconds")
        sidecar = sidecar_of(image.id, rendered, stored, moment, owner=self._settings.owner, spent=spent)
        self._still_ours(image)
        await self._renderer.io(
            self._bucket.replace,
            object_names.sidecar(image.id),
            msgspec.json.encode(sidecar),
            "application/json",
        )
        self._still_ours(image)
        result = result_of(image, rendered, stored, processed_at=processed_at, spent=spent)
        del rendered
        try:
            accepted = await self._reporter.hand_in(result)
        except BackendRejected as error:
            if not blames_the_request(error):
                raise
            return await self._fail(image, f"{printable_name(name)} was rendered, but {error}")
        return Outcome.COMPLETE if accepted else Outcome.DROPPED

    def _still_ours(self, image: ClaimedImage) -> None:
        if not self._keeper.holds(image.lease):
            raise LeaseLost("its lease is over")

    async def _render(
        self, image: ClaimedImage, name: str, devices: tuple[Device, ...], watch: Stopwatch
    ) -> RenderedImage:
        """Fetch and render; the original's bytes are free again when this returns."""
        begun = False

        async def begin() -> None:
            nonlocal begun
            self._still_ours(image)
            if not begun:
                await self._client.start(image.id, AttemptStart(attempt=image.attempt, lease=image.lease))
            begun = True

        async def render(data: Original) -> RenderedImage:
            watch.passed("fetching")
            return await self._renderer.render(
                data, devices, name, focus=image.focus, suspect=image.suspect, begin=begin, watch=watch
            )

        try:
            source = name_in(self._bucket, image.file_path)
            size = image.byte_size or (await self._renderer.io(self._bucket.stat, source)).size
            if size > ORIGINAL_LIMIT_BYTES:
                raise ObjectTooLarge(source, ORIGINAL_LIMIT_BYTES)
        except (ValueError, ObjectNotFound, ObjectTooLarge) as error:
            raise _not_fetched(name, error) from error
        watch.passed("fetching")
        grant = await self._renderer.originals.take(size)
        watch.passed("waiting")
        try:
            if self._settings.streams and not image.suspect:
                streamed = await render_streaming(self._bucket, self._renderer, source, size, render)
                if streamed is not None:
                    return streamed
            return await render(await self._renderer.io(self._bucket.read, source, ORIGINAL_LIMIT_BYTES))
        except (ObjectNotFound, ObjectTooLarge) as error:  # it was changed since it was asked for its size
            raise _not_fetched(name, error) from error
        finally:
            grant.release()

    async def _fail(self, image: ClaimedImage, sentence: str, *, strike: bool = False) -> Outcome:
        log.warning("Image %s failed: %s", image.id, sentence)
        if not self._keeper.holds(image.lease):
            return Outcome.DROPPED
        self._keeper.settling(image.lease)
        failure = Failure(error=sentence[:MAX_SENTENCE], attempt=image.attempt, lease=image.lease, strike=strike)
        try:
            await self._client.fail(image.id, failure)
        except (LeaseLost, ImageGone) as error:
            log.info("Image %s is dropped: %s", image.id, error)
            return Outcome.DROPPED
        return Outcome.FAILED

    async def _hand_back(self, image: ClaimedImage, sentence: str) -> Outcome:
        log.warning("Image %s is handed back: %s", image.id, sentence)
        self._keeper.settling(image.lease)
        await self._client.release(LeaseList(leases=(image.lease,)))
        return Outcome.HANDED_BACK


def _not_fetched(name: str, error: Exception) -> RenderError:
    return RenderError(name, f"cannot be fetched: {error}", "Upload it again")
