"""What a contender is to the suite, and what a Python one is to its worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bench.quality.outputs import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that makes the six pictures of a photo.

    `command` starts it as a process that answers the lines of `bench/core/measure.py`; it is asked for only if
    `missing` returned nothing. `missing` says what is not installed and how to get it, or "". `slow`: one that needs
    seconds a photo, and is measured in fewer rounds. `colours`: whether it makes the palette as well.
    `shows_pictures`: whether it can show its pictures as they were before JPEG.
    """

    name: str
    summary: str
    command: Callable[[], Sequence[str]]
    missing: Callable[[], str]
    slow: bool = False
    colours: bool = False
    shows_pictures: bool = True


class Way(Protocol):
    """A contender that is written in Python."""

    def versions(self) -> dict[str, str]:
        """What it is made of."""

    def prepare(self, path: str, data: bytes, outputs: Sequence[Output]) -> None:
        """Whatever is not timed; `run` is about this photo."""

    def run(self) -> list[bytes]:
        """Make everything, once: the JPEG files in the order of outputs. Safe on several threads at once."""

    def pictures(self) -> list[NDArray[np.uint8]]:
        """The pictures as they are before JPEG: uint8 (height, width, 3). Raises CannotDo."""


class CannotDo(Exception):
    """This photo or this request is beyond the contender; a sentence says why."""
