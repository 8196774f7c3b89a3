"""`python -m processor`: one task, settings in, exit code out.

0: the task could work, whatever the photos. 1: it could not. 2: its settings are wrong.
"""

from __future__ import annotations

import time

_STARTED_AT = time.monotonic()  # before the imports that the start has to wait for

import asyncio  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from contract import logs  # noqa: E402
from processor.settings import Settings, SettingsError, from_environment  # noqa: E402

if TYPE_CHECKING:
    from processor.task.loop import Task

log = logging.getLogger("processor")

HEAD_START_SECONDS = 0.03
"""So long the first claim has the interpreter to itself: enough to be sent, and then it waits for its answer while
rendering is loaded. Measured side by side: claimed after 0.30 s instead of 0.59, with the first result no later."""


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run one task as `environ` says; the exit code."""
    logs.set_up(environ)
    try:
        settings = from_environment(environ)
    except SettingsError as error:
        log.error("%s", error)
        return 2
    logs.redact(settings.token)
    if settings.parent_pid is not None:
        from processor.pool.process import watch_parent

        watch_parent(settings.parent_pid)
    log.info(
        "Task %d of %d of %s, %d render threads",
        settings.task_index,
        settings.task_count,
        settings.execution,
        settings.render_threads,
    )
    if settings.task_attempt:
        log.warning("CLOUD_RUN_TASK_ATTEMPT is %d: an earlier attempt did not end well", settings.task_attempt)
    return leave(*asyncio.run(_run(settings)))


def leave(code: int, stuck: bool, end: Callable[[int], object] = os._exit) -> int:
    """The exit code; but where a thread that nobody waits for would hold the exit up, end at once."""
    if stuck:
        logging.shutdown()
        sys.stderr.flush()
        end(code)
    return code


async def _run(settings: Settings) -> tuple[int, bool]:
    """Put the task together and run it; its exit code, and whether a thread is still at work.

    A stop that is asked for while libraries are still being imported is one like any other.
    """
    asked_to_stop = asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wanted, asked_to_stop.set)
    from contract.bucket.open import open_bucket
    from contract.bucket.port import BucketError
    from processor.pool.memory_budget import shares_of
    from processor.pool.render_pool import RenderPool

    renderer = RenderPool(
        threads=settings.render_threads, shares=shares_of(settings.memory_limit), limits=settings.limits
    )
    _leave_out_what_no_task_uses()

    import stamina.instrumentation

    from processor.backend_api.client import BackendClient
    from processor.task.loop import Task

    stamina.instrumentation.set_on_retry_hooks(())  # the client says itself what it tries again
    try:
        bucket = await renderer.io(open_bucket, settings.bucket_url, connections=renderer.io_threads)
        await renderer.io(bucket.probe)
    except ValueError as error:
        log.error("BUCKET_URL: %s", error)
        return 2, False
    except BucketError as error:
        log.error("The bucket %s cannot be used: %s", settings.bucket_url, error)
        return 1, False
    async with BackendClient(settings.backend_url, settings.token, retry_seconds=settings.retry_seconds) as client:
        task = Task(settings, bucket=bucket, client=client, renderer=renderer, started_at=_STARTED_AT)
        if asked_to_stop.is_set():
            task.stop()
        stopping = asyncio.create_task(_stop_when(asked_to_stop, task))
        loading = asyncio.get_running_loop().call_later(HEAD_START_SECONDS, renderer.warm_up, _load_rendering)
        code = await task.run()
        loading.cancel()
        stopping.cancel()
    renderer.close()
    return code, renderer.busy


async def _stop_when(asked: asyncio.Event, task: Task) -> None:
    await asked.wait()
    task.stop()


def _leave_out_what_no_task_uses() -> None:
    """Httpx looks for a command line of its own, which takes rich and click with it, and Google's client for gRPC,
    where these are installed: a tenth of a second each that the first claim would wait for.
    """
    for name in ("httpx._main", "grpc"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: it cannot be imported


def _load_rendering() -> None:
    """Import what rendering needs while the first claim is under way."""
    import processor.render.pipeline  # noqa: F401
    from processor.render.palette import load_kernels

    load_kernels()


if __name__ == "__main__":
    sys.exit(main())
