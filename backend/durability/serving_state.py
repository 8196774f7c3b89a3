"""The serving state of this process: health only, reads, or everything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from backend.http.errors import ServiceUnavailable

State = Literal["loading", "reading", "writing", "lost"]

WAIT_SECONDS = 3.0
"""How long a request is held during start-up before it gets 503."""

_READ_METHODS = ("GET", "HEAD")
_REASONS: dict[State, str] = {
    "loading": "the database is being loaded from the bucket; try again in a moment",
    "reading": "this backend is starting and accepts no changes yet; try again in a moment",
    "lost": "another backend instance has taken over; try again to reach it",
}


class ServingState:
    """The state, and the requests that wait for the next one.

    loading -> reading -> writing -> lost. A backend with a durable database begins as `writing`.
    """

    def __init__(self, *, durable: bool) -> None:
        self._state: State = "writing" if durable else "loading"
        self._changed = asyncio.Event()

    @property
    def state(self) -> State:
        return self._state

    @property
    def writing(self) -> bool:
        """True if this process accepts changes."""
        return self._state == "writing"

    def become(self, state: State) -> None:
        """Change the state, and let waiting requests check it again."""
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()

    def lose(self) -> None:
        """Change the state to `lost`, because another backend holds the fencing token."""
        self.become("lost")

    def _admits(self, method: str, public: bool) -> bool:
        if method in _READ_METHODS:
            return public or self._state != "loading"
        return self.writing

    async def admit(self, method: str, *, public: bool) -> None:
        """Return if the request may be answered now.

        A starting backend holds the request for up to `WAIT_SECONDS`.
        Where a process has CPU only while it answers requests, this lets the loading continue.

        Args:
            method: The HTTP method. GET and HEAD are reads.
            public: True for routes that need no credentials, and so no database.

        Raises:
            ServiceUnavailable: An unloaded database would give a wrong answer, or changes are not accepted.
        """
        if self.writing:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while self._state in ("loading", "reading") and not self._admits(method, public):
                    await self._changed.wait()
        if not self._admits(method, public):
            raise self.refusal()

    def refusal(self) -> ServiceUnavailable:
        """Return the error for a request that this process may not answer."""
        return ServiceUnavailable(_REASONS.get(self._state, _REASONS["lost"]))

    def require_loaded(self) -> None:
        """Raise ServiceUnavailable while the database is not loaded."""
        if self._state == "loading":
            raise self.refusal()
