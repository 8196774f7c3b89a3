"""`python -m bench.system.task`: a task of the processor, instrumented. Started by the measured backend."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any

from bench.system.instruments import Instruments, from_environment
from bench.system.network import SlowBucket
from bench.system.stages import RENDER_STAGES, STAGES, Recorder, TimedBucket


def main() -> int:
    """Put the instruments in place, run the task, and leave what they found; the task's exit code."""
    given = from_environment()
    if "VIPS_CONCURRENCY" in given.task_environment:
        import pyvips  # noqa: F401  (libvips reads the variable only now; the processor sets its own later)
    if given.render_threads:
        os.environ["RENDER_THREADS"] = str(given.render_threads)
    program: Any = importlib.import_module("processor.__main__")
    recorder = Recorder()
    _change_bucket(given, recorder)
    if given.read_ahead:
        _change_read_ahead(given.read_ahead)
    if given.stages:
        recorder.wrap(STAGES)
        _wrap_rendering_when_it_is_there(recorder)
    try:
        code: int = program.main()
        return code
    finally:
        if given.stages:
            recorder.write(given.place)


def _wrap_rendering_when_it_is_there(recorder: Recorder) -> None:
    """Importing it any earlier would be what a task takes care not to do before its first claim."""
    renderer: Any = importlib.import_module("processor.pool.render_pool")
    rendering, lock = renderer._render, threading.Lock()
    wrapped = False

    def render(*args: Any, **kwargs: Any) -> Any:
        nonlocal wrapped
        with lock:
            if not wrapped:
                recorder.wrap(RENDER_STAGES)
                wrapped = True
        return rendering(*args, **kwargs)

    renderer._render = render


def _change_bucket(given: Instruments, recorder: Recorder) -> None:
    buckets: Any = importlib.import_module("contract.bucket.open")
    opening = buckets.open_bucket

    def open_bucket(url: str, **more: Any) -> Any:
        bucket = opening(url, **more)
        if given.network is not None:
            bucket = SlowBucket(bucket, given.network)
        return TimedBucket(bucket, recorder) if given.stages else bucket

    buckets.open_bucket = open_bucket


def _change_read_ahead(read_ahead: int) -> None:
    policy: Any = importlib.import_module("processor.task.claim_policy")

    def claim_limit(under_way: int, threads: int) -> int:
        room = threads + read_ahead - under_way
        return room if room >= min(threads, read_ahead) else 0

    policy.claim_limit = claim_limit


if __name__ == "__main__":
    sys.exit(main())
