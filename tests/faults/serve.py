"""The backend with a faulty bucket, a jumping clock and small executions: `python -m tests.faults.serve`."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import Any

import msgspec

from tests.faults.bucket import FaultyBucket
from tests.faults.fault_plan import from_environment

MAX_TASKS = 4
"""Maximum number of tasks of one execution."""


def main() -> int:
    """Install the faults and serve. Return the backend's exit code."""
    from backend.__main__ import main as serve

    plan = from_environment()
    services: Any = importlib.import_module("backend.services")
    opening = services.open_bucket
    # A restarted backend of the same run must not get the same faults in the same order.
    chances = plan.random(f"backend/{os.getpid()}")
    services.open_bucket = lambda url, **more: FaultyBucket(opening(url, **more), plan, chances)
    services.Services = functools.partial(services.Services, clock=plan.clock)
    _make_executions_small()
    return serve()


def _make_executions_small() -> None:
    """Make the backend start many executions of at most `MAX_TASKS` tasks, even for little work."""
    queue: Any = importlib.import_module("backend.jobs.queue")
    decide = queue.decide

    def small(facts: Any, now: float, *, profile: Any, **more: Any) -> Any:
        eager = msgspec.structs.replace(profile, worthwhile_seconds=1e-9)
        decision = decide(facts, now, profile=eager, **more)
        return msgspec.structs.replace(decision, tasks=min(decision.tasks, MAX_TASKS))

    queue.decide = small


if __name__ == "__main__":
    sys.exit(main())
