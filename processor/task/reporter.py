"""Report results to the backend in small batches, without long waits.

The caller of `submit` waits for the backend's response. So a task cannot end with unreported results, and the number of
waiting results is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from contract.messages.processing import ProcessedImages
from processor.backend_api.client import BackendClient
from processor.errors import BackendRejected, ImageGone, LeaseLost, TaskError
from processor.task.leases import LeaseKeeper
from processor.task.results import Result

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Submitted:
    result: Result
    accepted: asyncio.Future[bool]

    def resolve(self, accepted: bool) -> None:
        if not self.accepted.done():
            self.accepted.set_result(accepted)

    def fail(self, error: TaskError) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(error)


class Reporter:
    """Collects results and posts them in batches; `run` must run concurrently with `submit`."""

    def __init__(
        self,
        client: BackendClient,
        leases: LeaseKeeper,
        *,
        batch_size: int = 8,
        delay_seconds: float = 0.3,
        changed: asyncio.Event | None = None,
    ) -> None:
        """`changed` is set whenever a result is submitted, and so begins to wait for the backend's response."""
        self._client = client
        self._leases = leases
        self._batch_size = batch_size
        self._delay = delay_seconds
        self._changed = changed or asyncio.Event()
        self._capacity = asyncio.Semaphore(2 * batch_size)
        self._queue: list[_Submitted] = []
        self._not_empty = asyncio.Event()
        self._now = asyncio.Event()
        self.pending = 0

    async def submit(self, result: Result) -> bool:
        """Wait until the backend has this result; return False if it was rejected or its lease has ended."""
        async with self._capacity:
            self.pending += 1
            self._changed.set()
            submitted = _Submitted(result, asyncio.get_running_loop().create_future())
            self._queue.append(submitted)
            self._not_empty.set()
            if len(self._queue) >= self._batch_size:
                self._now.set()
            try:
                return await submitted.accepted
            finally:
                self.pending -= 1

    def hurry(self) -> None:
        """Post at once, without waiting for more results."""
        if self._queue:
            self._now.set()

    async def run(self) -> None:
        """Post batches until cancelled."""
        while True:
            await self._not_empty.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._delay):
                    await self._now.wait()
            batch, self._queue = self._queue[: self._batch_size], self._queue[self._batch_size :]
            if not self._queue:
                self._not_empty.clear()
            if len(self._queue) < self._batch_size:
                self._now.clear()
            await self._post([submitted for submitted in batch if not submitted.accepted.done()])

    async def _post(self, batch: list[_Submitted]) -> None:
        valid = []
        for submitted in batch:
            outcome = submitted.result.outcome
            if self._leases.holds(outcome.lease):
                self._leases.settling(outcome.lease)
                valid.append(submitted)
            else:
                log.warning("lease of image %s ended before its report", outcome.image_id)
                submitted.resolve(False)
        if not valid:
            return
        body = ProcessedImages(
            images=tuple(row for submitted in valid for row in submitted.result.rows),
            outcomes=tuple(submitted.result.outcome for submitted in valid),
        )
        try:
            response = await self._client.report(body)
        except (BackendRejected, LeaseLost, ImageGone) as error:
            if len(valid) > 1:  # perhaps only one result is wrong: post each result alone to identify it
                for submitted in valid:
                    await self._post([submitted])
                return
            log.error("result of image %s rejected: %s", valid[0].result.outcome.image_id, error)
            valid[0].fail(error)
            return
        except TaskError as error:
            for submitted in valid:
                submitted.fail(error)
            return
        rejected = set()
        for row in response.errors:
            rejected.add(row.image_id)
            log.warning("result of image %s for %s rejected: %s", row.image_id, row.device_size, row.error)
        for submitted in valid:
            submitted.resolve(submitted.result.outcome.image_id not in rejected)
