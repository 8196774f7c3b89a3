"""`python -m bench.system.serve`: the backend with instruments. Its tasks run `bench.system.task`."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bench.system.instruments import Instruments, from_environment
from bench.system.network import SlowBucket

T = TypeVar("T")
QUERIES_FILE = "queries.json"


class QueryTimes:
    """Calls, wall seconds and thread CPU seconds of each query function."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.found: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])

    def timed(self, name: str, call: Callable[[], T]) -> T:
        begin, cpu = time.perf_counter(), time.thread_time()
        try:
            return call()
        finally:
            used = (1.0, time.perf_counter() - begin, time.thread_time() - cpu)
            with self._lock:
                self.found[name] = [before + more for before, more in zip(self.found[name], used, strict=True)]


class QueryTime(Struct, frozen=True, array_like=True):
    """The total cost of a query function."""

    calls: float
    wall_s: float
    cpu_s: float


def read_queries(folder: Path) -> dict[str, QueryTime]:
    """Return the costs by query function (`module.name`) that an ended backend wrote to `folder`."""
    return msgspec.json.decode((folder / QUERIES_FILE).read_bytes(), type=dict[str, QueryTime])


def main() -> int:
    """Install the instruments, serve, and return the backend's exit code."""
    instruments = from_environment()
    if instruments.cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: instruments.cpus])
    from backend.__main__ import main as serve

    runners: Any = importlib.import_module("backend.jobs.open_runner")
    services: Any = importlib.import_module("backend.services")
    times = QueryTimes()
    if instruments.queries:
        services.Database = _timed_database(services.Database, times)
    _change_bucket(services, instruments)
    local = runners.LocalRunner

    def local_runner(*args: Any, **kwargs: Any) -> Any:
        runner = local(*args, **kwargs, command=(sys.executable, "-m", "bench.system.task"))
        if instruments.every_task:
            runner.profile = msgspec.structs.replace(runner.profile, worthwhile_seconds=1e-9)
        return runner

    runners.LocalRunner = local_runner
    known = services.Services._task_environment
    services.Services._task_environment = lambda self: {**known(self), **instruments.task_environment}
    try:
        return serve()
    finally:
        if instruments.queries:
            Path(instruments.folder, QUERIES_FILE).write_bytes(msgspec.json.encode(dict(times.found)))


def _timed_database(kind: Any, times: QueryTimes) -> Any:
    class TimedDatabase(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for name in ("_read_threads", "_write_threads"):
                setattr(self, name, _TimedThreads(getattr(self, name), times))

    return TimedDatabase


class _TimedThreads:
    """A thread pool that measures each call, including its transaction, under the name of its query."""

    def __init__(self, threads: Any, times: QueryTimes) -> None:
        self._threads = threads
        self._times = times

    def submit(self, call: Callable[..., Any], *args: Any) -> Any:
        query = _query_of((call, *args))
        module, name = getattr(query, "__module__", ""), getattr(query, "__name__", "unknown")
        return self._threads.submit(self._times.timed, f"{module.rpartition('.')[2]}.{name}", lambda: call(*args))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._threads, name)


def _query_of(values: Iterable[Any]) -> Any:
    """Return the query function of a call: the first argument of the innermost `partial`."""
    for value in values:
        if isinstance(value, functools.partial):
            return _query_of(value.args) or value.args[0]
    return None


def _change_bucket(services: Any, instruments: Instruments) -> None:
    network = instruments.network
    if network is None:
        return
    opening = services.open_bucket
    services.open_bucket = lambda url, **more: SlowBucket(opening(url, **more), network)


if __name__ == "__main__":
    sys.exit(main())
