"""A stream of events ends soon after its login: logged out, or past its end; and the database is not asked for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.database import sessions_and_locks
from backend.database.tables import metadata
from backend.pages.activity import Watch
from tests.support import server
from tests.support.server import problem

SOON = 6.0
"""Seconds within which a stream has to end; it takes one or two."""


def log_out(backend: server.BackendServer, client: httpx.Client) -> None:
    client.post("/logout").raise_for_status()


def expire(backend: server.BackendServer, client: httpx.Client) -> None:
    """Only the session that was opened last: that of `client`."""
    latest = "SELECT token_hash FROM sessions ORDER BY created_at DESC LIMIT 1"
    backend.sql(f"UPDATE sessions SET expires_at = ? WHERE token_hash = ({latest})", time.time() - 1)


@pytest.mark.server
@pytest.mark.parametrize("end", [log_out, expire])
def test_a_stream_ends_with_its_login_and_others_go_on(
    backend: server.BackendServer, end: Callable[[server.BackendServer, httpx.Client], None]
) -> None:
    others = backend.admin
    others.get("/activity").raise_for_status()  # its login is the earlier one
    ending = backend.log_in()
    with (
        others.stream("GET", "/activity/events", timeout=20) as staying,
        ending.stream("GET", "/activity/events?whole=true", timeout=20) as events,
    ):
        lines, kept = events.iter_lines(), staying.iter_lines()
        assert _next_event(lines).startswith("event: counts")
        assert _next_event(kept).startswith("event: counts")
        end(backend, ending)
        began = time.monotonic()
        rest = list(lines)
        assert time.monotonic() - began < SOON
        assert "event: over" in rest
        number = 2 if end is log_out else 3  # the first look may be a second old, and of another test
        backend.upload_photos(number)
        while f'"pending":{number}' not in _next_event(kept):
            assert time.monotonic() - began < 2 * SOON
    problem(ending.get("/activity/events"), 401)


def _next_event(lines: Iterator[str]) -> str:
    said: list[str] = []
    for line in lines:
        if not line:
            return "\n".join(said)
        said.append(line)
    raise AssertionError(f"the stream ended: {said}")


def test_however_many_watch_the_database_is_asked_once() -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name in ("first", "second", "old"):
            sessions_and_locks.open_session(connection, name, 100.0, 150.0 if name == "old" else 1000.0)
    reads = []

    async def read(call: Callable[..., Any], *args: Any) -> Any:
        reads.append(args[0])
        with engine.begin() as connection:
            return call(connection, *args)

    services = SimpleNamespace(
        database=SimpleNamespace(read=read),
        clock=lambda: 200.0,
        settings=SimpleNamespace(gcp_project_id=None),
        last_error=None,
    )

    async def scenario() -> None:
        watch = Watch(SimpleNamespace(services=services))  # type: ignore[arg-type]
        with watch.watching("first"), watch.watching("old"), watch.watching("unknown"):
            for _ in range(20):
                with watch.watching("second"), watch.watching("second"):
                    await watch.look()
                    assert watch.streams == 5
            assert [watch.is_over(name) for name in ("first", "second", "old", "unknown")] == [False, False, True, True]
        assert watch.streams == 0

    asyncio.run(scenario())
    assert [set(asked) for asked in reads] == [{"first", "second", "old", "unknown"}]
