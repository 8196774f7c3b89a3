"""`python -m processor`: run one task, configured by environment variables.

Exit codes: 0 if the task could work, even if photos failed; 1 if it could not; 2 for invalid settings.
"""

from __future__ import annotations

import time

_STARTED_AT = time.monotonic()  # before the imports, whose time belongs to the start

import asyncio  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from contract import logs, tracing  # noqa: E402
from processor.settings import Settings, SettingsError, from_environment  # noqa: E402

if TYPE_CHECKING:
    from processor.task.loop import Task

log = logging.getLogger("processor")

HEAD_START_SECONDS = 0.03
"""Time before rendering is loaded, in which the first claim can be sent. It then waits for its response while rendering
is loaded. Measured: the first claim after 0.30 s instead of 0.59 s, with the first result no later."""


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run one task, configured by `environ`, and return the exit code."""
    logs.set_up(environ)
    try:
        tracing.set_up(environ, "slideshow-processor")
        settings = from_environment(environ)
    except (SettingsError, tracing.TraceUnavailable) as error:
        log.error("%s", error)
        return 2
    logs.redact(settings.token)
    if settings.parent_pid is not None:
        from processor.pool.process import watch_parent

        watch_parent(settings.parent_pid)
    log.info(
        "task %d of %d of execution %s started with %d render threads",
        settings.task_index,
        settings.task_count,
        settings.execution,
        settings.render_threads,
    )
    if settings.task_attempt:
        log.warning("CLOUD_RUN_TASK_ATTEMPT is %d: an earlier attempt of this task failed", settings.task_attempt)
    return leave(*asyncio.run(_run(settings)))


def leave(code: int, stuck: bool, end: Callable[[int], object] = os._exit) -> int:
    """Return the exit code, but end the process at once if a stuck thread would delay its exit."""
    if stuck:
        logging.shutdown()
        sys.stderr.flush()
        end(code)
    return code


async def _run(settings: Settings) -> tuple[int, bool]:
    """Create the task and run it; return its exit code, and whether a thread is still running.

    A stop that is requested while libraries are still being imported has the same effect as a later one.
    """
    stop_requested = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop_requested.set)
    from contract.bucket.open import open_bucket
    from contract.bucket.port import BucketError
    from processor.pool.memory_budget import shares_of
    from processor.pool.render_pool import RenderPool

    pool = RenderPool(threads=settings.render_threads, shares=shares_of(settings.memory_limit), limits=settings.limits)
    _block_unused_imports()

    import stamina.instrumentation

    from processor.backend_api.client import BackendClient
    from processor.task.loop import Task

    stamina.instrumentation.set_on_retry_hooks(())  # the client itself logs its retries
    try:
        bucket = await pool.io(open_bucket, settings.bucket_url, connections=pool.io_threads)
        await pool.io(bucket.probe)
    except ValueError as error:
        log.error("BUCKET_URL: %s", error)
        return 2, False
    except BucketError as error:
        log.error("bucket %s cannot be used: %s", settings.bucket_url, error)
        return 1, False
    async with BackendClient(settings.backend_url, settings.token, retry_seconds=settings.retry_seconds) as client:
        task = Task(settings, bucket=bucket, client=client, pool=pool, started_at=_STARTED_AT)
        if stop_requested.is_set():
            task.stop()
        stopping = asyncio.create_task(_stop_when(stop_requested, task))
        loading = asyncio.get_running_loop().call_later(HEAD_START_SECONDS, pool.warm_up, _load_rendering)
        code = await task.run()
        loading.cancel()
        stopping.cancel()
    pool.close()
    return code, pool.busy


async def _stop_when(requested: asyncio.Event, task: Task) -> None:
    await requested.wait()
    task.stop()


def _block_unused_imports() -> None:
    """Prevent two imports that no task uses and that delay the first claim by a tenth of a second each.

    Where they are installed, httpx imports its command line with rich and click, and Google's client imports gRPC.
    """
    for name in ("httpx._main", "grpc"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: it cannot be imported


def _load_rendering() -> None:
    """Import the rendering modules and load the kernels while the first claim is in progress."""
    import processor.render.pipeline  # noqa: F401
    from processor.render.palette import load_kernels

    load_kernels()


if __name__ == "__main__":
    sys.exit(main())
