"""What this process may answer: nothing but its health yet, reads, or everything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from backend.auth.access import Access
from backend.http.errors import ServiceUnavailable

State = Literal["loading", "reading", "writing", "lost"]

WAIT_SECONDS = 3.0
"""So long a request waits for a backend that is starting, before it hears that it has to come again."""

_READS = ("GET", "HEAD")
_REFUSALS: dict[State, str] = {
    "loading": "the database is being loaded from the bucket; try again in a moment",
    "reading": "this backend is about to take over and takes no changes yet; try again in a moment",
    "lost": "another backend has taken over; try again, and that one will answer",
}


class ServingState:
    """Where the database outlives the process this is `writing` from the first moment."""

    def __init__(self, *, durable: bool) -> None:
        self._state: State = "writing" if durable else "loading"
        self._moved = asyncio.Event()

    @property
    def state(self) -> State:
        """What the process is at."""
        return self._state

    @property
    def writing(self) -> bool:
        """Whether changes are taken."""
        return self._state == "writing"

    def become(self, state: State) -> None:
        """Go on to another state, and let those look who wait for it."""
        self._state = state
        self._moved.set()
        self._moved = asyncio.Event()

    def lose(self) -> None:
        """Another backend has taken over."""
        self.become("lost")

    def _answers(self, method: str, access: Access) -> bool:
        if method in _READS:
            return access is Access.PUBLIC or self._state != "loading"
        return self.writing

    async def admit(self, method: str, access: Access) -> None:
        """Let a request pass, or raise Unavailable: an unloaded database would give wrong answers.

        A starting backend lets it wait a little: where a process has no CPU between requests, this is
        what lets the loading go on.
        """
        if self.writing:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while self._state in ("loading", "reading") and not self._answers(method, access):
                    await self._moved.wait()
        if not self._answers(method, access):
            raise self.refusal()

    def refusal(self) -> ServiceUnavailable:
        """What a request hears that this process may not answer."""
        return ServiceUnavailable(_REFUSALS.get(self._state, _REFUSALS["lost"]))

    def require_loaded(self) -> None:
        """Raise Unavailable while there is nothing to answer from."""
        if self._state == "loading":
            raise self.refusal()
