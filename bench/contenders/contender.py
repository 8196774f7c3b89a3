"""What a contender is to the suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that makes the six pictures of a photo.

    `command` starts it as a process that answers the lines of `bench/measure.py`; it is asked only if `missing`
    returned nothing. `missing` says what is not installed and how to get it, or "". `slow`: one that needs seconds
    a photo, and is measured in fewer rounds. `colours`: whether it makes the palette as well.
    """

    name: str
    summary: str
    command: Callable[[], Sequence[str]]
    missing: Callable[[], str]
    slow: bool = False
    colours: bool = False
