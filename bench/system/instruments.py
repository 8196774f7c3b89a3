"""Instruments of a measured system, passed to its processes in one environment variable."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from bench.system.network import Network

VARIABLE = "BENCH_INSTRUMENTS"


class Instruments(Struct, frozen=True, kw_only=True):
    """The instruments. The defaults change nothing.

    Attributes:
        folder: Where the processes write their results.
        stages: Measure the stages of each task.
        queries: Measure the queries of the backend's database.
        network: Emulate a network between tasks, backend and bucket.
        cpus: CPUs for backend and tasks together (0: all).
        every_task: Start the maximum number of tasks, also for little work.
        task_environment: Variables that only tasks receive.
        render_threads: Images rendered at a time (0: as the processor chooses).
        read_ahead: Images claimed in addition to these (0: as the processor chooses).
    """

    folder: str
    stages: bool = False
    queries: bool = False
    network: Network | None = None
    cpus: int = 0
    every_task: bool = False
    task_environment: dict[str, str] = {}
    render_threads: int = 0
    read_ahead: int = 0

    def environment(self) -> dict[str, str]:
        """Return the environment variable that contains the instruments."""
        return {VARIABLE: msgspec.json.encode(self).decode()}


def from_environment() -> Instruments:
    """Return the instruments of this process. Raises KeyError or msgspec.ValidationError if there are none."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Instruments)
