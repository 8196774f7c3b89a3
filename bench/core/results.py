"""The form in which every case tells what it measured, and how a run is kept: one JSON file.

Times are in seconds, memory in megabytes (10^6 bytes); a figure of any other kind carries its unit in its name.
A new field always has a default, so that old runs can still be read and compared.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

SCHEMA = 1


class Sample(Struct, frozen=True, kw_only=True):
    """One round of one contender on one subject.

    `cpu_s`: user and system time of all processes that took part; it and `wall_s` are 0 where a case times nothing,
    or nothing of that kind. `extra`: what this case measures besides, each figure with its unit in its name
    ("upload_s", "file_bytes", "ssim_before_jpeg").
    """

    cpu_s: float
    wall_s: float
    peak_rss_mb: float | None = None
    extra: dict[str, float] = {}


class Series(Struct, frozen=True, kw_only=True):
    """One bar or one point of a plot: a contender on a subject, its samples in the order of rounds.

    `contender`: "ours", "floor", "model", ... or a form of one, such as "ours, 2 in flight". `subject`: a photo's
    name, or a setting such as "5000 images, 2 tasks". `group`: what subjects have in common ("JPEG, 12 MP").
    """

    contender: str
    subject: str
    samples: tuple[Sample, ...]
    group: str = ""
    notes: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """A promise and the figure that keeps or breaks it: `limit` in words ("at most 1.5"), `value` in `unit`."""

    name: str
    limit: str
    value: float
    unit: str
    holds: bool


class Point(Struct, frozen=True, array_like=True):
    """Memory of all processes of a program at a moment, seconds after the case began."""

    seconds: float
    rss_mb: float


class MemoryLine(Struct, frozen=True, kw_only=True):
    """Memory over time of one program: a line of a plot."""

    label: str
    points: tuple[Point, ...]


class Span(Struct, frozen=True, kw_only=True):
    """One bar of a waterfall: a stage of one subject, from `begins_s` to `ends_s` after the waterfall's zero."""

    subject: str
    stage: str
    begins_s: float
    ends_s: float


class CaseResult(Struct, frozen=True, kw_only=True):
    """All that one case found.

    `facts`: derived figures that the report prints, by name with unit. `missing`: contenders that are not
    installed, each with what to install. `remarks`: sentences that a reader needs beside the figures (the worst
    photo's name, what a figure leaves out). `versions`: of the programs that took part. `failed`: why a case found
    nothing, in a sentence; empty for one that ended well. `seconds`: how long the case took.
    """

    case: str
    series: tuple[Series, ...] = ()
    facts: dict[str, float] = {}
    checks: tuple[Check, ...] = ()
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    memory: tuple[MemoryLine, ...] = ()
    spans: tuple[Span, ...] = ()
    versions: dict[str, str] = {}
    failed: str = ""
    seconds: float = 0.0


class Machine(Struct, frozen=True, kw_only=True):
    """What a run ran on. `cores`: those that this process may use."""

    system: str
    cpu: str
    cores: int
    memory_mb: int
    python: str


class SampleSet(Struct, frozen=True, kw_only=True):
    """The photos of a run. `digest`: SHA-256 over their contents in the order of names, shortened."""

    kind: Literal["folder", "made"]
    count: int
    bytes: int
    digest: str


class Run(Struct, frozen=True, kw_only=True):
    """One run of the suite. `started`: UTC, ISO 8601. `dirty`: the checkout differed from `commit`."""

    schema: int = SCHEMA
    started: str
    commit: str
    dirty: bool
    machine: Machine
    versions: dict[str, str]
    settings: dict[str, str]
    samples: SampleSet
    cases: tuple[CaseResult, ...]


class CaseFailed(Exception):
    """A case could not measure; the message is a sentence for a person. The other cases go on."""


class UnreadableRun(Exception):
    """A file is no run of this suite, or of a later form of it. The message names it."""


def save(run: Run, path: Path) -> None:
    """Write the run as indented JSON; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    os.replace(unfinished, path)


def load(path: Path) -> Run:
    """Read a run. Raises UnreadableRun."""
    try:
        run = msgspec.json.decode(path.read_bytes(), type=Run)
    except OSError as error:
        raise UnreadableRun(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UnreadableRun(f"{path} is no run of this suite: {error}") from error
    if run.schema > SCHEMA:
        raise UnreadableRun(f"{path} was written by a later suite (form {run.schema}; this one reads {SCHEMA})")
    return run
