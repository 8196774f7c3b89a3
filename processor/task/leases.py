"""The leases of one task: renewed in time, and given up the moment they may be someone else's.

Ends are reckoned on this process's own monotonic clock, from before the question was sent,
so that neither the clocks of two machines nor a slow answer can make a lease look longer
than it is.
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
MIN_ASKING = 0.2


def renew_interval(lease_seconds: float, renew_seconds: float) -> float:
    """How long to wait between renewals: as asked, but never longer than a third of the lease."""
    return max(MIN_INTERVAL, min(renew_seconds, lease_seconds / 3))


@dataclass
class _Held:
    image_id: str
    until: float
    work: asyncio.Task[None]
    settling: bool = False


class LeaseKeeper:
    """What this task holds. `run` renews until it is cancelled; belongs to one event loop."""

    def __init__(self, client: BackendClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._held: dict[str, _Held] = {}
        self._some = asyncio.Event()
        self._lease_seconds = 60.0
        self._interval = 20.0
        self.lost = 0

    def set_times(self, lease_seconds: float, renew_seconds: float) -> None:
        """What the latest claim said of how long a lease lasts."""
        self._lease_seconds = lease_seconds
        self._interval = renew_interval(lease_seconds, renew_seconds)

    def add(self, token: str, image_id: str, asked_at: float, work: asyncio.Task[None]) -> None:
        """Keep a lease that was asked for at `asked_at`; `work` is cancelled when it is lost."""
        self._held[token] = _Held(image_id, asked_at + self._lease_seconds, work)
        self._some.set()

    def holds(self, token: str) -> bool:
        """Whether something may still be said under this lease."""
        held = self._held.get(token)
        return held is not None and self._monotonic() < held.until

    def settling(self, token: str) -> None:
        """The image is being reported: that ends its lease, so the report's answer decides, not a renewal's."""
        if token in self._held:
            self._held[token].settling = True

    def drop(self, token: str) -> None:
        """Keep this lease no longer: it was reported, given back or lost."""
        self._held.pop(token, None)
        if not self._held:
            self._some.clear()

    def tokens(self) -> tuple[str, ...]:
        return tuple(self._held)

    async def run(self) -> None:
        """Renew for ever. Raises what ends the task: a refused token, a backend that we do not understand."""
        answered = True
        while True:
            await self._some.wait()
            await asyncio.sleep(self._interval if answered else self._interval / 10)
            self._expire()
            answered = not self._held or await self._renew()

    async def _renew(self) -> bool:
        """One round; False if the backend did not answer. A third of the lease is spent waiting, a third
        asking, so that there is time to ask once more.
        """
        asked_at = self._monotonic()
        try:
            within = max(MIN_ASKING, self._interval)
            answer = await self._client.renew(LeaseList(leases=self.tokens()[:500]), within=within)
        except BackendUnavailable as error:
            log.warning("Leases could not be renewed: %s", error)
            self._expire()
            return False
        for token in answer.held:
            if token in self._held:
                self._held[token].until = asked_at + self._lease_seconds
        for token in answer.lost:
            if token in self._held and not self._held[token].settling:
                self._lose(token, "the backend gave it to someone else")
        return True

    def _expire(self) -> None:
        now = self._monotonic()
        for token, held in list(self._held.items()):
            if now >= held.until and not held.settling:
                self._lose(token, "it ended before it could be renewed")

    def _lose(self, token: str, why: str) -> None:
        held = self._held[token]
        self.drop(token)
        self.lost += 1
        log.warning("The lease of image %s is lost (%s); its work is dropped", held.image_id, why)
        held.work.cancel()
