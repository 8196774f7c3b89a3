"""What the processes of a broken run are told: one variable, and two files that the run changes while they work."""

from __future__ import annotations

import contextlib
import os
import random
import time
from pathlib import Path

import msgspec
from msgspec import Struct

VARIABLE = "CHAOS_ORDERS"


class FaultPlan(Struct, frozen=True, kw_only=True):
    """`folder` holds the files; `bucket_faults` is the chance of one for each call of the bucket, 1 if it is gone."""

    folder: str
    seed: int
    bucket_faults: float = 0.0

    def environment(self) -> dict[str, str]:
        """The variable that carries them."""
        return {VARIABLE: msgspec.json.encode(self).decode()}

    @property
    def calm(self) -> bool:
        """Whether nothing is to be broken any more."""
        return (Path(self.folder) / "calm").exists()

    def become_calm(self) -> None:
        """From now on nothing is broken, in no process."""
        (Path(self.folder) / "calm").touch()

    def end_calm(self) -> None:
        """Break things again."""
        (Path(self.folder) / "calm").unlink()

    def set_clock(self, offset: float) -> None:
        """The backend's clock is so many seconds fast from now on."""
        aside = Path(self.folder) / "clock.new"
        aside.write_text(repr(offset))
        aside.replace(Path(self.folder) / "clock")

    def clock(self) -> float:
        """The time in seconds since the epoch, as a clock shows it that somebody sets."""
        offset = 0.0
        with contextlib.suppress(FileNotFoundError):
            offset = float((Path(self.folder) / "clock").read_text())
        return time.time() + offset

    def random(self, role: str) -> random.Random:
        """The chances of one process."""
        return random.Random(f"{self.seed}/{role}")


def from_environment() -> FaultPlan:
    """The orders of this process. Raises KeyError or msgspec.ValidationError if it was given none."""
    return msgspec.json.decode(os.environ[VARIABLE], type=FaultPlan)
