"""The result of a case, and the JSON file that stores a run.

Times are in seconds, memory in megabytes (10^6 bytes); all other figures have their unit in their name. The names of
contenders, facts and checks are part of the format: `compare` and the report find figures by them. A new field always
has a default, so that old runs can be read and compared.
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

    Attributes:
        cpu_s: User and system time of all processes that took part. 0 if the case does not measure it.
        wall_s: Wall time. 0 if the case does not measure it.
        peak_rss_mb: Peak memory.
        extra: Further figures, with the unit in the name ("upload_s", "file_bytes", "ssim_before_jpeg").
    """

    cpu_s: float
    wall_s: float
    peak_rss_mb: float | None = None
    extra: dict[str, float] = {}


class Series(Struct, frozen=True, kw_only=True):
    """The samples of a contender on a subject, in the order of rounds. The report draws it as a bar or a point.

    Attributes:
        contender: "ours", "floor", "model", ... or a form of one, such as "ours, 2 in flight".
        subject: The name of a photo, or a setting such as "5000 images, 2 tasks".
        samples: One per round.
        group: A common property of subjects ("JPEG, 12 MP").
        notes: A remark about the contender.
    """

    contender: str
    subject: str
    samples: tuple[Sample, ...]
    group: str = ""
    notes: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """A target and the measured figure: `limit` as text ("at most 1.5"), `value` in `unit`."""

    name: str
    limit: str
    value: float
    unit: str
    holds: bool


def at_most(name: str, value: float, limit: float, unit: str = "times") -> Check:
    """Return the check that `value` is not above `limit`."""
    return Check(name=name, limit=f"at most {_text(limit, unit)}", value=value, unit=unit, holds=value <= limit)


def at_least(name: str, value: float, limit: float, unit: str = "times") -> Check:
    """Return the check that `value` is not below `limit`."""
    return Check(name=name, limit=f"at least {_text(limit, unit)}", value=value, unit=unit, holds=value >= limit)


def _text(limit: float, unit: str) -> str:
    return f"{limit:g} {unit}" if unit in ("s", "MB") else f"{limit:g}"


class Point(Struct, frozen=True, array_like=True):
    """Memory of a program at a time, in seconds after the start of the case."""

    seconds: float
    rss_mb: float


class MemoryLine(Struct, frozen=True, kw_only=True):
    """Memory over time of one program."""

    label: str
    points: tuple[Point, ...]


class Span(Struct, frozen=True, kw_only=True):
    """A stage of a subject in a timeline, in seconds after the start of the timeline."""

    subject: str
    stage: str
    begins_s: float
    ends_s: float


class CaseResult(Struct, frozen=True, kw_only=True):
    """The result of one case.

    Attributes:
        case: The name of the case.
        series: All samples.
        facts: Derived figures, by name with unit.
        checks: Targets.
        missing: Contenders that are not installed, each with what to install.
        remarks: Sentences that explain the figures, e.g. the name of the worst photo.
        memory: Memory over time.
        spans: A timeline.
        versions: Versions of the programs that took part.
        failed: Why the case failed; empty if it did not.
        seconds: Duration of the case.
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
    """The machine of a run. `cores` counts the CPUs that the process may use."""

    system: str
    cpu: str
    cores: int
    memory_mb: int
    python: str


class SampleSet(Struct, frozen=True, kw_only=True):
    """The photos of a run. `digest` is the shortened SHA-256 of their contents, in the order of names."""

    kind: Literal["folder", "made"]
    count: int
    bytes: int
    digest: str


class Run(Struct, frozen=True, kw_only=True):
    """One run of the suite. `started` is UTC in ISO 8601; `dirty` means that tracked files differed from `commit`."""

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
    """A case could not measure. The message is a sentence for a person. The other cases continue."""


class UnreadableRun(Exception):
    """A file is not a run of this suite, or was written by a later version. The message names it."""


def save(run: Run, path: Path) -> None:
    """Write the run as indented JSON to a temporary file, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    os.replace(unfinished, path)


def load(path: Path) -> Run:
    """Read a saved run. Raises UnreadableRun."""
    try:
        run = msgspec.json.decode(path.read_bytes(), type=Run)
    except OSError as error:
        raise UnreadableRun(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UnreadableRun(f"{path} is no run of this suite: {error}") from error
    if run.schema > SCHEMA:
        raise UnreadableRun(
            f"{path} was written by a later version of the suite (schema {run.schema}; this one reads {SCHEMA})"
        )
    return run
