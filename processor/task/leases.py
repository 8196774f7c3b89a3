"""Hold the leases of one task: renew them in time, and give them up before another task may hold them.

Ends are calculated on the monotonic clock of this process, from before the request was sent. So neither different
clocks of two machines nor a slow response can make a lease look longer than it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from contract.messages.processing import LeaseList
from processor.backend_api.client import BackendClient
from processor.errors import BackendUnavailable

log = logging.getLogger(__name__)

MIN_INTERVAL = 0.05
MIN_RENEWAL_SECONDS = 0.2


def renew_interval(lease_seconds: float, renew_seconds: float) -> float:
    """Return the seconds between renewals: `renew_seconds`, but never more than a third of the lease."""
    return max(MIN_INTERVAL, min(renew_seconds, lease_seconds / 3))


@dataclass
class _Lease:
    image_id: str
    until: float
    work: asyncio.Task[None]
    settling: bool = False


class LeaseKeeper:
    """The leases of this task, by token. `run` renews until it is cancelled; belongs to one event loop."""

    def __init__(self, client: BackendClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._leases: dict[str, _Lease] = {}
        self._not_empty = asyncio.Event()
        self._lease_seconds = 60.0
        self._interval = 20.0
        self.lost = 0

    def set_times(self, lease_seconds: float, renew_seconds: float) -> None:
        """Set the duration of leases and the time between renewals, as the latest claim returned them."""
        self._lease_seconds = lease_seconds
        self._interval = renew_interval(lease_seconds, renew_seconds)

    def add(self, token: str, image_id: str, requested_at: float, work: asyncio.Task[None]) -> None:
        """Hold a lease that was requested at `requested_at`; `work` is cancelled when the lease is lost."""
        self._leases[token] = _Lease(image_id, requested_at + self._lease_seconds, work)
        self._not_empty.set()

    def holds(self, token: str) -> bool:
        """Return whether this lease is still valid."""
        lease = self._leases.get(token)
        return lease is not None and self._monotonic() < lease.until

    def settling(self, token: str) -> None:
        """Mark an image as being reported. A report ends the lease, so a renewal no longer decides about it."""
        if token in self._leases:
            self._leases[token].settling = True

    def drop(self, token: str) -> None:
        """Stop holding a lease that was reported, returned or lost."""
        self._leases.pop(token, None)
        if not self._leases:
            self._not_empty.clear()

    def tokens(self) -> tuple[str, ...]:
        return tuple(self._leases)

    async def run(self) -> None:
        """Renew until cancelled. Raises errors that end the task, such as BackendDenied and BackendRejected."""
        renewed = True
        while True:
            await self._not_empty.wait()
            await asyncio.sleep(self._interval if renewed else self._interval / 10)
            self._expire()
            renewed = not self._leases or await self._renew()

    async def _renew(self) -> bool:
        """Renew all leases once; return False if the backend did not respond.

        A third of a lease is spent waiting and a third in this call, so that there is time for a second call.
        """
        requested_at = self._monotonic()
        try:
            within = max(MIN_RENEWAL_SECONDS, self._interval)
            response = await self._client.renew(LeaseList(leases=self.tokens()[:500]), within=within)
        except BackendUnavailable as error:
            log.warning("leases not renewed: %s", error)
            self._expire()
            return False
        for token in response.held:
            if token in self._leases:
                self._leases[token].until = requested_at + self._lease_seconds
        for token in response.lost:
            if token in self._leases and not self._leases[token].settling:
                self._lose(token, "the backend gave it to another task")
        return True

    def _expire(self) -> None:
        now = self._monotonic()
        for token, lease in list(self._leases.items()):
            if now >= lease.until and not lease.settling:
                self._lose(token, "it ended before it could be renewed")

    def _lose(self, token: str, reason: str) -> None:
        lease = self._leases[token]
        self.drop(token)
        self.lost += 1
        log.warning("lease of image %s lost (%s); its work is dropped", lease.image_id, reason)
        lease.work.cancel()
