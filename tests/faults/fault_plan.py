"""Fault plan of a run. Its processes read it from one environment variable and from two files that the run changes."""

from __future__ import annotations

import contextlib
import os
import random
import time
from pathlib import Path

import msgspec
from msgspec import Struct

VARIABLE = "FAULT_PLAN"


class FaultPlan(Struct, frozen=True, kw_only=True):
    """Fault plan of a run.

    Attributes:
        folder: Folder of the two files.
        seed: Seed of all random faults.
        bucket_faults: Probability of a fault for each bucket call; 1 means that the bucket is gone.
    """

    folder: str
    seed: int
    bucket_faults: float = 0.0

    def environment(self) -> dict[str, str]:
        """Return the environment variable that contains the plan."""
        return {VARIABLE: msgspec.json.encode(self).decode()}

    @property
    def quiet(self) -> bool:
        """True during the quiet phase, in which no fault is injected."""
        return (Path(self.folder) / "quiet").exists()

    def begin_quiet_phase(self) -> None:
        """Stop all faults in all processes."""
        (Path(self.folder) / "quiet").touch()

    def end_quiet_phase(self) -> None:
        """Inject faults again."""
        (Path(self.folder) / "quiet").unlink()

    def set_clock(self, offset: float) -> None:
        """Set the backend's clock `offset` seconds ahead."""
        temporary = Path(self.folder) / "clock.new"
        temporary.write_text(repr(offset))
        temporary.replace(Path(self.folder) / "clock")

    def clock(self) -> float:
        """Return the time of the backend's clock in seconds since the epoch."""
        offset = 0.0
        with contextlib.suppress(FileNotFoundError):
            offset = float((Path(self.folder) / "clock").read_text())
        return time.time() + offset

    def random(self, role: str) -> random.Random:
        """Return the random generator of one process."""
        return random.Random(f"{self.seed}/{role}")


def from_environment() -> FaultPlan:
    """Return the fault plan of this process. Raises KeyError or msgspec.ValidationError if there is none."""
    return msgspec.json.decode(os.environ[VARIABLE], type=FaultPlan)
