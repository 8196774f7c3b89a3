"""Registers a Hypothesis profile for `make test-fast`, and fails unmarked tests that start a process or a server.

`make test-fast` leaves out tests with the marks `server` and `browser`. An audit hook (PEP 578) observes this process.
A test without these marks fails if it, or a fixture that it sets up, starts a process or binds a socket.
The hook does not observe child processes, servers written in C (gRPC, uvloop), and multiprocessing's method "spawn".
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("fast", max_examples=20)

START_EVENTS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "socket.bind"}
"""Audit events of the standard library that start a process or a server."""
started: list[str] = []
"""Events since the set-up or the call of the current test began."""


def record_start(event: str, arguments: tuple[object, ...]) -> None:
    if event in START_EVENTS:
        started.append(f"{event}{arguments[:2]}"[:300])


sys.addaudithook(record_start)


def fail_on_unmarked_start(item: pytest.Item) -> Generator[None, object, object]:
    """Wrap the set-up or the call of a test; fail it for a start without a mark."""
    started.clear()
    result = yield
    if started and not any(item.iter_markers("server")) and not any(item.iter_markers("browser")):
        pytest.fail(
            f"the test starts a process or server: {started[0]}; mark it with @pytest.mark.server", pytrace=False
        )
    return result


pytest_runtest_setup = pytest.hookimpl(wrapper=True)(fail_on_unmarked_start)
pytest_runtest_call = pytest.hookimpl(wrapper=True)(fail_on_unmarked_start)
