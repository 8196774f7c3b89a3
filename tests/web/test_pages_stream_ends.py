"""An event stream ends soon after its session; the sessions of all streams are checked in one query."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.database import sessions
from backend.database.tables import metadata
from backend.pages.activity import ActivityMonitor
from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

SOON = 6.0
"""Seconds within which a stream must end; it takes one or two."""


def log_out(backend: server.BackendServer, client: httpx.Client) -> None:
    client.post("/logout").raise_for_status()


def expire(backend: server.BackendServer, client: httpx.Client) -> None:
    """Expire only the session that was opened last, which is that of `client`."""
    latest = "SELECT token_hash FROM sessions ORDER BY created_at DESC LIMIT 1"
    backend.sql(f"UPDATE sessions SET expires_at = ? WHERE token_hash = ({latest})", time.time() - 1)


@pytest.mark.parametrize("end", [log_out, expire])
def test_stream_session_ends_only_its_stream_ends(
    backend: server.BackendServer, end: Callable[[server.BackendServer, httpx.Client], None]
) -> None:
    others = backend.admin
    others.get("/activity").raise_for_status()  # this session is the earlier one
    ending = backend.log_in()
    with (
        others.stream("GET", "/activity/events", timeout=20) as staying,
        ending.stream("GET", "/activity/events?whole=true", timeout=20) as events,
    ):
        lines, other_lines = events.iter_lines(), staying.iter_lines()
        assert _next_event(lines).startswith("event: counts")
        assert _next_event(other_lines).startswith("event: counts")
        end(backend, ending)
        began = time.monotonic()
        rest = list(lines)
        assert time.monotonic() - began < SOON
        assert "event: over" in rest
        number = 2 if end is log_out else 3  # the first event may be a second old, and from another test
        backend.upload_photos(number)
        while f'"pending":{number}' not in _next_event(other_lines):
            assert time.monotonic() - began < 2 * SOON
    problem(ending.get("/activity/events"), 401)


def _next_event(lines: Iterator[str]) -> str:
    event: list[str] = []
    for line in lines:
        if not line:
            return "\n".join(event)
        event.append(line)
    raise AssertionError(f"the stream ended: {event}")


def test_activity_monitor_many_streams_share_one_query() -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name in ("first", "second", "old"):
            sessions.open_session(connection, name, 100.0, 150.0 if name == "old" else 1000.0)
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
        monitor = ActivityMonitor(SimpleNamespace(services=services))  # type: ignore[arg-type]
        with monitor.stream_of("first"), monitor.stream_of("old"), monitor.stream_of("unknown"):
            for _ in range(20):
                with monitor.stream_of("second"), monitor.stream_of("second"):
                    await monitor.read()
                    assert monitor.stream_count == 5
            assert [monitor.has_ended(name) for name in ("first", "second", "old", "unknown")] == [
                False,
                False,
                True,
                True,
            ]
        assert monitor.stream_count == 0

    asyncio.run(scenario())
    assert [set(sessions) for sessions in reads] == [{"first", "second", "old", "unknown"}]
