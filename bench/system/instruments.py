"""What a measured system is given beside its settings; it travels to its processes in one variable."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.system.network import Network

VARIABLE = "BENCH_INSTRUMENTS"


class Instruments(Struct, frozen=True, kw_only=True):
    """`folder` takes what the processes find out. Every other field at its default changes nothing.

    `stages`: time the stages of each task. `queries`: time those of the backend's database. `network`: imitate
    one between tasks, backend and bucket. `cpus`: CPUs for backend and tasks together (0: all). `every_task`: start
    as many tasks as there may be, however little the work.
    `task_environment`: variables that only tasks get. `render_threads`, `read_ahead`: images rendered at once, and
    claimed beyond these (0: as the processor chooses).
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

    @property
    def place(self) -> Path:
        return Path(self.folder)

    def environment(self) -> dict[str, str]:
        """The variable that carries them."""
        return {VARIABLE: msgspec.json.encode(self).decode()}


def from_environment() -> Instruments:
    """The instruments of this process. Raises KeyError or msgspec.ValidationError if it was given none."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Instruments)
