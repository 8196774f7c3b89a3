"""When a picture may be rendered, and where: by bytes, by threads, or alone in a process.

Downloads run ahead, within a budget of their own; rendering follows the estimate of each
picture's memory; a suspect gets the whole budget and a child process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from contract.bucket.port import BucketUnavailable
from contract.messages.processing import Device, Focus
from contract.recipes import DEFAULT_FRAMING
from processor.errors import RenderOverdue, printable_name
from processor.pool.memory_budget import BeyondBudget, MemoryBudget, MemoryReservation, Shares
from processor.pool.sandbox import SandboxSettings, render_in_child, too_much_memory
from processor.render.limits import DEFAULT_LIMITS, Limits
from processor.task.timings import Stopwatch

if TYPE_CHECKING:
    from processor.codecs.download_buffer import Original
    from processor.render.pipeline import RenderedImage

RENDER_SECONDS = 240.0
"""Far more than the largest allowed picture takes on a slow CPU; what is beyond it is stuck."""
IO_SECONDS = 180.0
"""Far more than the bucket's own retries take."""

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def estimated_bytes(data: Original, devices: tuple[Device, ...], name: str, limits: Limits = DEFAULT_LIMITS) -> int:
    """The memory that rendering takes beside the original's bytes. Raises RenderError for a header that is
    bad or promises more pixels than `limits`.
    """
    from processor.codecs.download_buffer import DownloadBuffer, size_of
    from processor.pool.memory_estimate import PIPELINE_BYTES
    from processor.render.decode import estimate_bytes, read_header

    header, size = read_header(data, name, limits), size_of(data)
    streamed = PIPELINE_BYTES if isinstance(data, DownloadBuffer) else 0
    return max(0, estimate_bytes(header, devices, size) + streamed - size)


class RenderPool:
    """The threads and budgets of one task; `close` ends the threads."""

    def __init__(
        self,
        *,
        threads: int,
        shares: Shares,
        child: SandboxSettings | None = None,
        limits: Limits = DEFAULT_LIMITS,
        render_seconds: float = RENDER_SECONDS,
    ) -> None:
        """`child` says how suspects are rendered; by default with what `shares` and `limits` say."""
        self.threads = threads
        self.originals = MemoryBudget(shares.originals)
        self.rendering = MemoryBudget(shares.rendering)
        self._child = child or SandboxSettings(memory_bytes=shares.rendering, limits=limits)
        # One more than there are threads: its attempt is announced while the others still render.
        self._slots = asyncio.Semaphore(threads + 1)
        self._render_pool = ThreadPoolExecutor(threads, thread_name_prefix="render")
        self.io_threads = min(32, 4 * threads + 4)
        """How many calls of the bucket may be under way at a time."""
        self._io_pool = ThreadPoolExecutor(self.io_threads, thread_name_prefix="io")
        self._limits = limits
        self._render_seconds = render_seconds
        self._running = 0

    @property
    def busy(self) -> bool:
        """Whether a thread is at work, though perhaps nobody waits for it any more."""
        return self._running > 0

    async def io(self, call: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        """Run a blocking call on an I/O thread. Raises BucketUnavailable when it does not end."""
        try:
            async with asyncio.timeout(IO_SECONDS):
                return await self._in_pool(self._io_pool, lambda: call(*args, **kwargs), lambda: None)
        except TimeoutError as error:
            raise BucketUnavailable("", f"a read or write took more than {IO_SECONDS:.0f} seconds") from error

    def warm_up(self, call: Callable[[], object]) -> None:
        """Run `call` on a rendering thread, before anything else can be there; its errors come back when it matters."""
        self._render_pool.submit(call)

    async def render(
        self,
        data: Original,
        devices: tuple[Device, ...],
        name: str,
        *,
        focus: Focus | None = None,
        suspect: bool,
        begin: Callable[[], Awaitable[None]],
        watch: Stopwatch | None = None,
    ) -> RenderedImage:
        """Render one image when its turn comes; `begin` is awaited just before. `data` may be on its way, and is then
        read on threads of its own; only that of a suspect is here as a whole. `watch` is told what the time was for,
        but for a suspect's, which is all for one process.

        Raises RenderError for a bad photo, ChildDied for a suspect that killed its process,
        RenderOverdue for a picture whose thread is stuck, and whatever `begin` raises.
        """
        watch = watch or Stopwatch()
        # Not even the header of a suspect is read in this process.
        size = self.rendering.total if suspect else await self.io(estimated_bytes, data, devices, name, self._limits)
        watch.passed("fetching")
        async with self._slots:
            try:
                grant = await self.rendering.take(size)
            except BeyondBudget as error:
                raise too_much_memory(name, error.wanted, error.total) from None
            watch.passed("waiting")
            try:
                await begin()
            except BaseException:
                grant.release()
                raise
            watch.passed("announcing")
            if suspect:
                assert isinstance(data, bytes)
                try:
                    return await render_in_child(data, devices, name, self._child, focus)
                finally:
                    grant.release()
            return await self._in_thread(grant, data, devices, name, focus, watch)

    async def _in_thread(
        self,
        grant: MemoryReservation,
        data: Original,
        devices: tuple[Device, ...],
        name: str,
        focus: Focus | None,
        watch: Stopwatch,
    ) -> RenderedImage:
        """Render on a thread. The time limit begins when a thread takes the picture up: waiting for one that
        is at work on another picture says nothing of this one, and ends when that one is overdue.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:

                def taken_up() -> None:
                    with contextlib.suppress(RuntimeError):  # nobody waits any more: the limit is over and gone
                        limit.reschedule(loop.time() + self._render_seconds)

                def render() -> RenderedImage:
                    if not loop.is_closed():
                        loop.call_soon_threadsafe(taken_up)
                    return _render(data, devices, name, focus, self._limits, watch)

                return await self._in_pool(self._render_pool, render, grant.release)
        except TimeoutError as error:
            raise RenderOverdue(
                f"rendering {printable_name(name)} did not end within {self._render_seconds:g} seconds"
            ) from error

    async def _in_pool(self, pool: ThreadPoolExecutor, call: Callable[[], Value], at_end: Callable[[], None]) -> Value:
        """Run `call` on a thread, and `at_end` here when it has ended.

        A thread cannot be cancelled: what it holds comes free when it ends, not when nobody
        waits for it any more. Raises RuntimeError if the system gives us no thread.
        """
        loop = asyncio.get_running_loop()
        given_up = False

        def run() -> Value:
            if given_up:
                raise RuntimeError("nobody waits for this any more")
            return call()

        def ended() -> None:
            self._running -= 1
            at_end()

        def on_end(_: Future[Value]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended)

        try:
            future = pool.submit(run)
        except BaseException:
            given_up = True  # a pool without a new thread keeps what it was given, and an older thread may find it
            at_end()
            raise
        self._running += 1
        future.add_done_callback(on_end)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Start nothing more; what runs is left to end."""
        self._render_pool.shutdown(wait=False, cancel_futures=True)
        self._io_pool.shutdown(wait=False, cancel_futures=True)


def _render(
    data: Original, devices: tuple[Device, ...], name: str, focus: Focus | None, limits: Limits, watch: Stopwatch
) -> RenderedImage:
    from processor.codecs.download_buffer import waited_for
    from processor.pool.process import image_rendered
    from processor.render.pipeline import render_image

    watch.passed("waiting")
    before = waited_for(data)
    try:
        rendered = render_image(
            data, devices, framing=DEFAULT_FRAMING, focus=focus, name=name, limits=limits, passed=watch.passed
        )
    finally:
        image_rendered()
    watch.move(waited_for(data) - before, "decoding", "fetching")
    return rendered
