"""Progress of a run: read from the database file, or over HTTP if the database does not outlive its backend."""

from __future__ import annotations

import contextlib
from typing import Protocol

import httpx

from tests.faults.checks import rows
from tests.faults.environment import Environment

STILL_SECONDS = 5.0
"""Over HTTP it is not visible which records are due. The periodic work writes them within this time."""


class Progress(Protocol):
    """Counts of a run that is under way."""

    settle_seconds: float
    """The time for which `left` must stay 0 until the work is finished."""

    def finished(self) -> int:
        """Return the number of photos that are complete or failed."""
        ...

    def left(self) -> int:
        """Return the number of photos, executions and records that are not finished."""
        ...


class FromDatabase:
    """Reads the database file. It must be the same file during the whole run."""

    settle_seconds = 0.0

    def __init__(self, environment: Environment) -> None:
        self._file = environment.data / "slideshow.db"

    def _count(self, statement: str) -> int:
        return int(rows(self._file, statement)[0][0])

    def finished(self) -> int:
        return self._count("SELECT count(*) FROM images WHERE processing_status IN ('complete', 'failed')")

    def left(self) -> int:
        return self._count(
            "SELECT (SELECT count(*) FROM images WHERE processing_status IN ('pending', 'processing')) "
            "+ (SELECT count(*) FROM executions WHERE finished_at IS NULL) "
            "+ (SELECT count(*) FROM images WHERE revision > recorded)"
        )


class FromStatus:
    """Asks the backend, which replaces its database file at each start. Without a response the last counts hold."""

    settle_seconds = STILL_SECONDS

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._client: httpx.Client | None = None
        self._finished, self._left = 0, 1

    def finished(self) -> int:
        self._ask()
        return self._finished

    def left(self) -> int:
        self._ask()
        return self._left

    def _ask(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            if self._client is None:
                self._client = self._environment.logged_in()
            response = self._client.get("/api/admin/status")
            if response.status_code == 401:  # a login that was in no snapshot
                self._client.close()
                self._client = None
            if response.status_code != 200:
                return
            status = response.json()
            images = status["images"]
            self._finished = images.get("complete", 0) + images.get("failed", 0)
            running = sum(execution.get("finishedAt") is None for execution in status["executions"])
            self._left = images.get("pending", 0) + images.get("processing", 0) + running
