"""One task: claim, work, report, until nothing is left, time is up, or somebody says stop.

Several images are under way at once: some download, some render, some upload. How many is
bounded three times over: by a count here, by bytes in the renderer, and by the reporter's
room. A task ends with 0 if it could work, whatever the photos; with 1 if it could not.
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
from contract.messages.processing import ClaimAnswer, ClaimedImage, Device, LeaseList
from processor.backend_api.client import BackendClient
from processor.errors import ProcessorError, RenderOverdue, TooManyFailures
from processor.pool.render_pool import RenderPool
from processor.settings import Settings
from processor.task.claim_policy import (
    DRAIN_SECONDS,
    DRY_SECONDS,
    HAND_BACK_SECONDS,
    MAX_TRANSIENT_ERRORS,
    claim_request,
    claim_room,
    claiming_ends_before,
    pause_after,
)
from processor.task.image_job import ImageWork, Outcome
from processor.task.leases import LeaseKeeper
from processor.task.reporter import Reporter

log = logging.getLogger(__name__)


class Task:
    """One run. Clock, ids and collaborators are given; `stop` may be set from a signal handler."""

    def __init__(
        self,
        settings: Settings,
        *,
        bucket: Bucket,
        client: BackendClient,
        renderer: RenderPool,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        started_at: float | None = None,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._settings = settings
        self._client = client
        self._renderer = renderer
        self._monotonic = monotonic
        self._new_id = new_id
        self._started_at = monotonic() if started_at is None else started_at
        self._drain_seconds = drain_seconds
        self._stopping = False
        self._changed = asyncio.Event()
        self._keeper = LeaseKeeper(client, monotonic)
        self._reporter = Reporter(client, self._keeper, on_progress=self._changed.set)
        self._image_work = ImageWork(
            bucket=bucket,
            client=client,
            keeper=self._keeper,
            reporter=self._reporter,
            renderer=renderer,
            settings=settings,
            now=now,
        )
        self._works: set[asyncio.Task[None]] = set()
        self._fatal: BaseException | None = None
        self._passing_faults = 0
        self._quiet_until = 0.0
        self._claims = 0
        self.counts: Counter[Outcome] = Counter()

    def stop(self) -> None:
        """Claim nothing more, end what can end in a few seconds, hand back the rest."""
        if not self._stopping:
            log.info("Told to stop: ending what is under way, handing back the rest")
        self._stopping = True
        self._changed.set()

    async def run(self) -> int:
        """Work until there is no more to do; the exit code."""
        helpers = [asyncio.create_task(self._keeper.run()), asyncio.create_task(self._reporter.run())]
        for helper in helpers:
            helper.add_done_callback(self._note_end)
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
        self._say_how_it_went()
        return 0 if self._fatal is None else 1

    @property
    def _time_left(self) -> float:
        return self._started_at + self._settings.timeout_seconds - self._monotonic()

    @property
    def _ending(self) -> bool:
        return self._stopping or self._fatal is not None

    def _may_claim(self) -> bool:
        if self._ending:
            return False
        if self._time_left > claiming_ends_before(self._settings.timeout_seconds):
            return True
        log.info("Time is nearly up (TASK_TIMEOUT_SECONDS): claiming no more")
        return False

    def _under_way(self) -> int:
        return len(self._works) - self._reporter.pending

    async def _claim_and_work(self) -> None:
        """The loop. Ends when a claim came back empty while nothing was under way, twice if nothing ever was."""
        dry = idle_claims = 0
        while self._may_claim():
            self._changed.clear()
            wanted = claim_room(self._under_way(), self._settings.render_threads)
            idle = not self._works
            quiet = self._quiet_until - self._monotonic()
            if wanted and (quiet <= 0 or (idle and dry and not idle_claims and not self._passing_faults)):
                answer = await self._claim(wanted)
                if answer is None:
                    return
                dry = not answer.images
                if answer.images:
                    idle_claims = 0
                    continue
                idle_claims += idle
                if idle_claims >= 2 or (idle and self.counts.total() and not self._passing_faults):
                    return
                self._quiet_until = max(self._quiet_until, self._monotonic() + DRY_SECONDS)
                quiet = self._quiet_until - self._monotonic()
            if dry and self._under_way() == 0:
                self._reporter.hurry()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(1.0, quiet) if wanted and quiet > 0 else 1.0):
                    await self._changed.wait()

    async def _claim(self, limit: int) -> ClaimAnswer | None:
        """Claim and set to work; None when the end came meanwhile, what was claimed then being handed back."""
        request = claim_request(self._settings, limit, self._new_id())
        asked_at = self._monotonic()
        asking = asyncio.create_task(self._client.claim(request))
        while not asking.done() and not self._ending:
            self._changed.clear()
            waiting = asyncio.create_task(self._changed.wait())
            await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if self._ending:
            await asyncio.wait({asking}, timeout=HAND_BACK_SECONDS)
            if asking.done() and asking.exception() is None:
                await self._release(tuple(image.lease for image in asking.result().images))
            asking.cancel()
            return None
        answer = asking.result()
        self._claims += 1
        if self._claims == 1:
            log.info("First claim answered %.2f s after the start", self._monotonic() - self._started_at)
        self._keeper.set_times(answer.lease_seconds, answer.renew_seconds)
        devices = {str(device.key): device for device in answer.devices}
        for image in answer.images:
            work = asyncio.create_task(self._work(image, devices))
            self._works.add(work)
            self._keeper.add(image.lease, image.id, asked_at, work)
            work.add_done_callback(self._note_end)
        return answer

    async def _work(self, image: ClaimedImage, devices: dict[str, Device]) -> None:
        outcome = await self._image_work.work(image, devices)
        self.counts[outcome] += 1
        if outcome is Outcome.OVERDUE:
            raise RenderOverdue("a rendering does not end, and only the end of this process can end it")
        if outcome is not Outcome.HANDED_BACK:
            if outcome is Outcome.COMPLETE:
                self._passing_faults = 0
            return
        self._passing_faults += 1
        self._quiet_until = self._monotonic() + pause_after(self._passing_faults)
        if self._passing_faults >= MAX_TRANSIENT_ERRORS:
            raise TooManyFailures(
                f"{self._passing_faults} images in a row had to be handed back; the lines above say why"
            )

    def _note_end(self, ended: asyncio.Task[None]) -> None:
        self._works.discard(ended)
        self._changed.set()
        if not ended.cancelled() and (error := ended.exception()) is not None and self._fatal is None:
            self._fatal = error

    async def _drain(self) -> None:
        """Let what is under way end, as long as there is time for it."""
        limit = self._monotonic() + max(0.0, self._time_left - DRAIN_SECONDS - HAND_BACK_SECONDS)
        stop_limit: float | None = None
        while self._works and self._fatal is None:
            if self._stopping and stop_limit is None:
                stop_limit = self._monotonic() + self._drain_seconds
            left = min(limit, limit if stop_limit is None else stop_limit) - self._monotonic()
            if left <= 0:
                return
            if self._under_way() == 0 or self._stopping:
                self._reporter.hurry()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(0.25, left)):
                    await self._changed.wait()

    async def _give_up_rest(self) -> None:
        """Cancel what is still under way and hand its images back."""
        rest = list(self._works)
        for work in rest:
            work.cancel()
        if rest:
            await asyncio.wait(rest, timeout=1.0)
        await self._release(self._keeper.tokens())

    async def _release(self, tokens: tuple[str, ...]) -> None:
        if not tokens:
            return
        try:
            answer = await self._client.release(LeaseList(leases=tokens[:500]), within=HAND_BACK_SECONDS)
            self.counts[Outcome.HANDED_BACK] += len(answer.held)
            log.info("Handed back %d of %d images", len(answer.held), len(tokens))
        except ProcessorError as error:
            log.warning("%d images could not be handed back, their leases will end: %s", len(tokens), error)

    def _say_how_it_went(self) -> None:
        fields = {outcome.value.replace(" ", "_"): self.counts[outcome] for outcome in Outcome}
        fields["leases_lost"] = self._keeper.lost
        seconds, place = self._monotonic() - self._started_at, (self._settings.task_index, self._settings.task_count)
        log.info("Task %d of %d ended after %.1f s", *place, seconds, extra={"fields": fields})
        if isinstance(self._fatal, (ProcessorError, BucketError)):
            log.error("This task cannot work: %s", self._fatal)
        elif self._fatal is not None:
            log.error("This task met a fault of this program", exc_info=self._fatal)
