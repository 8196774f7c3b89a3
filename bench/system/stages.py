"""Where the time of a task goes: spans of each stage, taken by wrapping the functions that do it.

Nothing in the processor knows of this: a task that is started by `bench.system.task` wraps them in its own
process. `STAGES` names every function; one that is not there any more ends the task, so that a renamed step
cannot silently count for nothing.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class Span(Struct, frozen=True, array_like=True):
    """One call: its stage, the thread, begin and end in seconds since the epoch, CPU seconds of its thread.

    Of a call that waits in the event loop no CPU is known: it is 0.
    """

    stage: str
    thread: str
    begin: float
    end: float
    cpu_s: float


STAGES: tuple[tuple[str, str, str], ...] = (
    ("claim", "processor.backend_api.client", "BackendClient.claim"),
    ("attempt", "processor.backend_api.client", "BackendClient.start"),
    ("report", "processor.backend_api.client", "BackendClient.report"),
    ("header", "processor.pool.render_pool", "estimated_bytes"),
    ("render", "processor.pool.render_pool", "_render"),
    ("load", "processor.__main__", "_load_rendering"),
)
"""(stage, module, function) of what is there when a task begins."""

RENDER_STAGES: tuple[tuple[str, str, str], ...] = (
    ("decode", "processor.render.pipeline", "decode"),
    ("resize", "processor.render.pipeline", "cut"),
    ("encode", "processor.codecs.jpeg", "JpegProfile.encode"),
    ("proxy", "processor.render.pipeline", "colour_pixels"),
    ("colours", "processor.render.pipeline", "find_colours"),
)
"""The steps inside of `render`, wrapped once rendering is loaded, which is while the first claim is under way."""

BUCKET_STAGES = {"read": "fetch", "download_to": "fetch", "stat": "fetch", "create": "store", "replace": "store"}
WAITING = ("claim", "attempt", "report", "fetch", "store")
"""Stages that wait for a disk, a bucket or the backend; what they take beside CPU is waiting."""


def found(stage: str, module: str, path: str) -> tuple[Any, str]:
    """What holds a stage's function, and its name there. Raises LookupError for one that is not there."""
    owner: Any = importlib.import_module(module)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder, None)
    if not hasattr(owner, name):
        raise LookupError(f"{module} has no {path} any more: bench/system/stages.py has to name {stage} anew")
    return owner, name


class Recorder:
    """Gathers spans of one process; safe to use from several threads."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._lock = threading.Lock()

    def add(self, stage: str, begin: float, cpu_s: float) -> None:
        """A call that began at `begin` (seconds since the epoch) ends now."""
        span = Span(stage, threading.current_thread().name, begin, time.time(), cpu_s)
        with self._lock:
            self.spans.append(span)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, each call of which leaves a span."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waiting(*args: Any, **kwargs: Any) -> Any:
                begin = time.time()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self.add(stage, begin, 0.0)

            return waiting

        @functools.wraps(function)
        def working(*args: Any, **kwargs: Any) -> Any:
            begin, cpu = time.time(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.add(stage, begin, time.thread_time() - cpu)

        return working

    def wrap(self, stages: Iterable[tuple[str, str, str]]) -> None:
        """Put each named function's timed form into its place. Raises LookupError for one that is not there."""
        for stage, module, path in stages:
            owner, name = found(stage, module, path)
            setattr(owner, name, self.timed(stage, getattr(owner, name)))

    def write(self, folder: Path) -> None:
        """Keep the spans as `stages-PID.json` in `folder`."""
        (folder / f"stages-{os.getpid()}.json").write_bytes(msgspec.json.encode(self.spans))


class TimedBucket:
    """A bucket whose calls leave spans; everything else it passes on."""

    def __init__(self, bucket: Any, recorder: Recorder) -> None:
        self._bucket = bucket
        for name, stage in BUCKET_STAGES.items():
            setattr(self, name, recorder.timed(stage, getattr(bucket, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)


def read_spans(folder: Path) -> dict[str, list[Span]]:
    """The spans that tasks left in `folder`, by file, each in the order of their ends."""
    return {
        path.stem: msgspec.json.decode(path.read_bytes(), type=list[Span])
        for path in sorted(folder.glob("stages-*.json"))
    }


def sums(spans: Iterable[Span]) -> dict[str, tuple[float, float]]:
    """For each stage (wall seconds, CPU seconds), summed over its calls."""
    found: dict[str, tuple[float, float]] = {}
    for span in spans:
        wall, cpu = found.get(span.stage, (0.0, 0.0))
        found[span.stage] = (wall + span.end - span.begin, cpu + span.cpu_s)
    return found
