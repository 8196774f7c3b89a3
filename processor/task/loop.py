"""Run one task: claim images and work on them, until none is left, time is up, or a stop is requested.

Several images are in progress at the same time: some download, some render, some upload. Their number is limited by a
count here, by bytes in the render pool, and by the capacity of the reporter. A task exits with 0 if it could work,
even if photos failed, and with 1 if it could not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable

from contract.bucket.port import Bucket, BucketError
from contract.messages.processing import ClaimAnswer, ClaimedImage, ClaimRequest, Device, LeaseList
from contract.recipes import RENDERER_VERSION
from processor.backend_api.client import BackendClient
from processor.errors import ProcessorError, RenderOverdue, TooManyFailures
from processor.pool.render_pool import RenderPool
from processor.settings import Settings
from processor.task.claim_policy import (
    DRY_SECONDS,
    MAX_TRANSIENT_ERRORS,
    Claim,
    Stop,
    TaskState,
    next_step,
    pause_after,
)
from processor.task.image_job import ImageJob, Outcome, Services
from processor.task.leases import LeaseKeeper
from processor.task.reporter import Reporter

log = logging.getLogger(__name__)

DRAIN_SECONDS = 6.0
"""Time to finish images after a stop signal. Cloud Run kills 10 seconds after SIGTERM; returning leases takes time."""
HAND_BACK_SECONDS = 2.0


class Task:
    """One run. Clock, ids and collaborators are parameters; a signal handler may call `stop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        bucket: Bucket,
        client: BackendClient,
        pool: RenderPool,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        started_at: float | None = None,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._settings = settings
        self._client = client
        self._monotonic = monotonic
        self._new_id = new_id
        self._started_at = monotonic() if started_at is None else started_at
        self._drain_seconds = drain_seconds
        self._stopping = False
        self._changed = asyncio.Event()
        self._leases = LeaseKeeper(client, monotonic)
        self._reporter = Reporter(client, self._leases, changed=self._changed)
        self._services = Services(
            bucket=bucket,
            client=client,
            leases=self._leases,
            reporter=self._reporter,
            pool=pool,
            settings=settings,
            now=now,
        )
        self._jobs: set[asyncio.Task[None]] = set()
        self._fatal: BaseException | None = None
        self._transient_errors = 0
        self._quiet_until = 0.0
        self._dry = False
        self._empty_idle_claims = 0
        self._claims = 0
        self.counts: Counter[Outcome] = Counter()

    def stop(self) -> None:
        """Claim nothing more, finish images for a few seconds, and return the rest."""
        if not self._stopping:
            log.info("stop requested: finishing images in progress, returning the rest")
        self._stopping = True
        self._changed.set()

    async def run(self) -> int:
        """Work until there is no more to do, and return the exit code."""
        helpers = [asyncio.create_task(self._leases.run()), asyncio.create_task(self._reporter.run())]
        for helper in helpers:
            helper.add_done_callback(self._on_end)
        try:
            await self._claim_and_work()
            await self._drain()
        except ProcessorError as error:
            self._fatal = self._fatal or error
        finally:
            await self._give_up_rest()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        self._log_summary()
        return 0 if self._fatal is None else 1

    @property
    def _seconds_left(self) -> float:
        return self._started_at + self._settings.timeout_seconds - self._monotonic()

    @property
    def _ending(self) -> bool:
        return self._stopping or self._fatal is not None

    def _under_way(self) -> int:
        return len(self._jobs) - self._reporter.pending

    def _state(self) -> TaskState:
        return TaskState(
            ending=self._ending,
            seconds_left=self._seconds_left,
            timeout_seconds=self._settings.timeout_seconds,
            threads=self._settings.render_threads,
            under_way=self._under_way(),
            idle=not self._jobs,
            finished=self.counts.total(),
            transient_errors=self._transient_errors,
            quiet_seconds=self._quiet_until - self._monotonic(),
            dry=self._dry,
            empty_idle_claims=self._empty_idle_claims,
        )

    async def _claim_and_work(self) -> None:
        """Claim and wait, as `next_step` decides, until it returns Stop."""
        while True:
            self._changed.clear()
            step = next_step(self._state())
            if isinstance(step, Stop):
                log.info("no more claims: %s", step.reason)
                return
            if isinstance(step, Claim):
                await self._claim(step.limit)
                continue
            if self._dry and self._under_way() == 0:
                self._reporter.hurry()
            await self._wait_for_change(step.seconds)

    async def _wait_for_change(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _claim(self, limit: int) -> None:
        """Claim images and start their jobs. If the task ends during the claim, the images are returned."""
        idle = not self._jobs
        request = ClaimRequest(
            owner=self._settings.owner,
            attempt=self._settings.task_attempt,
            shard=self._settings.task_index,
            shards=self._settings.task_count,
            limit=limit,
            claim_id=self._new_id(),
            renderer_version=RENDERER_VERSION,
        )
        requested_at = self._monotonic()
        response = await self._response_unless_ending(asyncio.create_task(self._client.claim(request)))
        if response is None:
            return
        self._claims += 1
        if self._claims == 1:
            log.info("first claim answered %.2f s after the start", self._monotonic() - self._started_at)
        self._leases.set_times(response.lease_seconds, response.renew_seconds)
        devices = {str(device.key): device for device in response.devices}
        for image in response.images:
            job = asyncio.create_task(self._work(image, devices))
            self._jobs.add(job)
            self._leases.add(image.lease, image.id, requested_at, job)
            job.add_done_callback(self._on_end)
        self._dry = not response.images
        if response.images:
            self._empty_idle_claims = 0
        else:
            self._empty_idle_claims += idle
            self._quiet_until = max(self._quiet_until, self._monotonic() + DRY_SECONDS)

    async def _response_unless_ending(self, claiming: asyncio.Task[ClaimAnswer]) -> ClaimAnswer | None:
        """Return the response to a claim. If the task ends first, release the claimed images and return None."""
        while not claiming.done() and not self._ending:
            self._changed.clear()
            waiting = asyncio.create_task(self._changed.wait())
            await asyncio.wait({claiming, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if not self._ending:
            return claiming.result()
        await asyncio.wait({claiming}, timeout=HAND_BACK_SECONDS)
        if claiming.done() and claiming.exception() is None:
            await self._release(tuple(image.lease for image in claiming.result().images))
        claiming.cancel()
        return None

    async def _work(self, image: ClaimedImage, devices: dict[str, Device]) -> None:
        outcome = await ImageJob(self._services, image).run(devices)
        self.counts[outcome] += 1
        if outcome is Outcome.OVERDUE:
            raise RenderOverdue("a rendering does not end; only the end of this process can stop it")
        if outcome is Outcome.COMPLETE:
            self._transient_errors = 0
        if outcome is not Outcome.HANDED_BACK:
            return
        self._transient_errors += 1
        self._quiet_until = self._monotonic() + pause_after(self._transient_errors)
        if self._transient_errors >= MAX_TRANSIENT_ERRORS:
            raise TooManyFailures(
                f"{self._transient_errors} images in a row were returned to the backend; see the lines above"
            )

    def _on_end(self, ended: asyncio.Task[None]) -> None:
        self._jobs.discard(ended)
        self._changed.set()
        if not ended.cancelled() and (error := ended.exception()) is not None and self._fatal is None:
            self._fatal = error

    async def _drain(self) -> None:
        """Wait for the images in progress, as long as there is time."""
        limit = self._monotonic() + max(0.0, self._seconds_left - DRAIN_SECONDS - HAND_BACK_SECONDS)
        stop_limit: float | None = None
        while self._jobs and self._fatal is None:
            if self._stopping and stop_limit is None:
                stop_limit = self._monotonic() + self._drain_seconds
            left = min(limit, limit if stop_limit is None else stop_limit) - self._monotonic()
            if left <= 0:
                return
            if self._under_way() == 0 or self._stopping:
                self._reporter.hurry()
            self._changed.clear()
            await self._wait_for_change(min(0.25, left))

    async def _give_up_rest(self) -> None:
        """Cancel the jobs that are still running and return their images."""
        rest = list(self._jobs)
        for job in rest:
            job.cancel()
        if rest:
            await asyncio.wait(rest, timeout=1.0)
        await self._release(self._leases.tokens())

    async def _release(self, tokens: tuple[str, ...]) -> None:
        if not tokens:
            return
        try:
            response = await self._client.release(LeaseList(leases=tokens[:500]), within=HAND_BACK_SECONDS)
            self.counts[Outcome.HANDED_BACK] += len(response.held)
            log.info("returned %d of %d images to the backend", len(response.held), len(tokens))
        except ProcessorError as error:
            log.warning("could not return %d images, whose leases will expire: %s", len(tokens), error)

    def _log_summary(self) -> None:
        fields = {outcome.value.replace(" ", "_"): self.counts[outcome] for outcome in Outcome}
        fields["leases_lost"] = self._leases.lost
        seconds = self._monotonic() - self._started_at
        index, count = self._settings.task_index, self._settings.task_count
        log.info("task %d of %d ended after %.1f s", index, count, seconds, extra={"fields": fields})
        if isinstance(self._fatal, (ProcessorError, BucketError)):
            log.error("task cannot work: %s", self._fatal)
        elif self._fatal is not None:
            log.error("task hit an internal error", exc_info=self._fatal)
