"""Time of the stages of a task, measured by wrapping the functions that implement them.

The processor contains no code for this: `bench.system.task` wraps the functions in the process of the task. `STAGES`
lists all functions. A missing one ends the task with an error, so that a renamed function is not silently ignored.
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
    """One call: stage, thread, begin and end in seconds since the epoch, CPU seconds of the thread.

    The CPU time of a coroutine is not known, and is 0.
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
"""(stage, module, function) of functions that exist when a task starts."""

RENDER_STAGES: tuple[tuple[str, str, str], ...] = (
    ("decode", "processor.render.pipeline", "decode"),
    ("resize", "processor.render.pipeline", "cut"),
    ("encode", "processor.codecs.jpeg", "JpegProfile.encode"),
    ("proxy", "processor.render.pipeline", "colour_pixels"),
    ("colours", "processor.render.pipeline", "find_colours"),
)
"""The steps of `render`. They are wrapped after rendering is loaded, which happens during the first claim."""

BUCKET_STAGES = {"read": "fetch", "download_to": "fetch", "stat": "fetch", "create": "store", "replace": "store"}
WAITING = ("claim", "attempt", "report", "fetch", "store")
"""Stages that wait for a disk, a bucket or the backend."""


def locate(stage: str, module: str, path: str) -> tuple[Any, str]:
    """Return the owner of a stage's function, and its attribute name. Raises LookupError if it does not exist."""
    owner: Any = importlib.import_module(module)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder, None)
    if not hasattr(owner, name):
        raise LookupError(f"{module} has no {path}; update the stage {stage} in bench/system/stages.py")
    return owner, name


class Recorder:
    """Collects the spans of a process. Safe to use from several threads."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._lock = threading.Lock()

    def add(self, stage: str, begin: float, cpu_s: float) -> None:
        """Add a call that began at `begin` (seconds since the epoch) and ends now."""
        span = Span(stage, threading.current_thread().name, begin, time.time(), cpu_s)
        with self._lock:
            self.spans.append(span)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` wrapped so that each call adds a span."""
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
        """Wrap each listed function. Raises LookupError if one does not exist."""
        for stage, module, path in stages:
            owner, name = locate(stage, module, path)
            setattr(owner, name, self.timed(stage, getattr(owner, name)))

    def write(self, folder: Path) -> None:
        """Write the spans to `stages-PID.json` in `folder`."""
        (folder / f"stages-{os.getpid()}.json").write_bytes(msgspec.json.encode(self.spans))


class TimedBucket:
    """A bucket whose calls add spans. All other attributes are forwarded."""

    def __init__(self, bucket: Any, recorder: Recorder) -> None:
        self._bucket = bucket
        for name, stage in BUCKET_STAGES.items():
            setattr(self, name, recorder.timed(stage, getattr(bucket, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)


def read_spans(folder: Path) -> dict[str, list[Span]]:
    """Return the spans that tasks wrote to `folder`, by file, in the order of their ends."""
    return {
        path.stem: msgspec.json.decode(path.read_bytes(), type=list[Span])
        for path in sorted(folder.glob("stages-*.json"))
    }


def sums(spans: Iterable[Span]) -> dict[str, tuple[float, float]]:
    """Return (wall seconds, CPU seconds) by stage, summed over its calls."""
    total: dict[str, tuple[float, float]] = {}
    for span in spans:
        wall, cpu = total.get(span.stage, (0.0, 0.0))
        total[span.stage] = (wall + span.end - span.begin, cpu + span.cpu_s)
    return total
