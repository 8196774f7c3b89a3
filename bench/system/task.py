"""`python -m bench.system.task`: a task of the processor with instruments, started by the measured backend."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

from bench.system.instruments import Instruments, from_environment
from bench.system.network import SlowBucket
from bench.system.stages import RENDER_STAGES, STAGES, Recorder, TimedBucket


def main() -> int:
    """Install the instruments, run the task, write the results, and return the task's exit code."""
    instruments = from_environment()
    if "VIPS_CONCURRENCY" in instruments.task_environment:
        import pyvips  # noqa: F401  (libvips reads the variable when it loads; the processor sets its own value later)
    if instruments.render_threads:
        os.environ["RENDER_THREADS"] = str(instruments.render_threads)
    program: Any = importlib.import_module("processor.__main__")
    recorder = Recorder()
    _change_bucket(instruments, recorder)
    if instruments.read_ahead:
        _change_read_ahead(instruments.read_ahead)
    if instruments.stages:
        recorder.wrap(STAGES)
        _wrap_rendering_when_loaded(recorder)
    try:
        code: int = program.main()
        return code
    finally:
        if instruments.stages:
            recorder.write(Path(instruments.folder))


def _wrap_rendering_when_loaded(recorder: Recorder) -> None:
    """Wrap the steps of rendering at its first call, because a task does not import them before its first claim."""
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


def _change_bucket(instruments: Instruments, recorder: Recorder) -> None:
    buckets: Any = importlib.import_module("contract.bucket.open")
    opening = buckets.open_bucket

    def open_bucket(url: str, **more: Any) -> Any:
        bucket = opening(url, **more)
        if instruments.network is not None:
            bucket = SlowBucket(bucket, instruments.network)
        return TimedBucket(bucket, recorder) if instruments.stages else bucket

    buckets.open_bucket = open_bucket


def _change_read_ahead(read_ahead: int) -> None:
    policy: Any = importlib.import_module("processor.task.claim_policy")

    def claim_limit(under_way: int, threads: int) -> int:
        room = threads + read_ahead - under_way
        return room if room >= min(threads, read_ahead) else 0

    policy.claim_limit = claim_limit


if __name__ == "__main__":
    sys.exit(main())
