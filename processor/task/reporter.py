"""Results go to the backend in batches: a few together, but none waits long.

Whoever hands in a result waits until the backend has answered, so a task cannot end with
results unsaid, and what waits is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from contract.messages.processing import ImageOutcome, ProcessedImage, ProcessedImages
from processor.backend_api.client import BackendClient
from processor.errors import BackendRejected, ImageGone, LeaseLost, TaskError
from processor.task.leases import LeaseKeeper

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """Everything to be said of one rendered image."""

    rows: tuple[ProcessedImage, ...]
    outcome: ImageOutcome


@dataclass(frozen=True)
class _Waiting:
    result: Result
    answered: asyncio.Future[bool]


class Reporter:
    """Gathers results and posts them; `run` must run beside those who hand in."""

    def __init__(
        self,
        client: BackendClient,
        keeper: LeaseKeeper,
        *,
        most: int = 8,
        delay_seconds: float = 0.3,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._keeper = keeper
        self._most = most
        self._delay = delay_seconds
        self._on_progress = on_progress
        self._room = asyncio.Semaphore(2 * most)
        self._gathered: list[_Waiting] = []
        self._some = asyncio.Event()
        self._now = asyncio.Event()
        self.pending = 0

    async def hand_in(self, result: Result) -> bool:
        """Wait until the backend has this result; False if it was refused or its lease is over."""
        async with self._room:
            self.pending += 1
            self._on_progress()
            waiting = _Waiting(result, asyncio.get_running_loop().create_future())
            self._gathered.append(waiting)
            self._some.set()
            if len(self._gathered) >= self._most:
                self._now.set()
            try:
                return await waiting.answered
            finally:
                self.pending -= 1

    def hurry(self) -> None:
        """Do not wait for more: nothing else is under way."""
        if self._gathered:
            self._now.set()

    async def run(self) -> None:
        """Post batches until cancelled."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._delay):
                    await self._now.wait()
            batch, self._gathered = self._gathered[: self._most], self._gathered[self._most :]
            if not self._gathered:
                self._some.clear()
            if len(self._gathered) < self._most:
                self._now.clear()
            await self._post([waiting for waiting in batch if not waiting.answered.done()])

    async def _post(self, batch: list[_Waiting]) -> None:
        valid = []
        for waiting in batch:
            lease = waiting.result.outcome.lease
            if self._keeper.holds(lease):
                self._keeper.settling(lease)
                valid.append(waiting)
            else:
                log.warning("The lease of image %s ended before its report", waiting.result.outcome.image_id)
                _answer(waiting, False)
        if not valid:
            return
        body = ProcessedImages(
            images=tuple(row for waiting in valid for row in waiting.result.rows),
            outcomes=tuple(waiting.result.outcome for waiting in valid),
        )
        try:
            answer = await self._client.report(body)
        except (BackendRejected, LeaseLost, ImageGone) as error:
            if len(valid) > 1:  # one of them spoils the others: find out which
                for waiting in valid:
                    await self._post([waiting])
                return
            log.error("The result of image %s was refused: %s", valid[0].result.outcome.image_id, error)
            _fail(valid[0], error)
            return
        except TaskError as error:
            for waiting in valid:
                _fail(waiting, error)
            return
        refused = set()
        for row in answer.errors:
            refused.add(row.image_id)
            log.warning("The backend refused %s for %s: %s", row.image_id, row.device_size, row.error)
        for waiting in valid:
            _answer(waiting, waiting.result.outcome.image_id not in refused)


def _answer(waiting: _Waiting, accepted: bool) -> None:
    if not waiting.answered.done():
        waiting.answered.set_result(accepted)


def _fail(waiting: _Waiting, error: TaskError) -> None:
    if not waiting.answered.done():
        waiting.answered.set_exception(error)
