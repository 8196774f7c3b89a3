"""Decide when and where a photo is rendered: memory, threads, or the sandbox process.

Downloads run ahead, within a budget of their own. Rendering waits for the estimated memory of each photo.
A quarantined image gets the whole budget and a sandbox process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from contract.bucket.port import BucketUnavailable
from contract.messages.processing import Device, Focus
from processor.errors import RenderOverdue, printable_name
from processor.pool.memory_budget import BeyondBudget, MemoryBudget, MemoryReservation, Shares, trim_after_image
from processor.pool.sandbox import SandboxSettings, render_in_sandbox, too_much_memory
from processor.render.limits import DEFAULT_LIMITS, Limits
from processor.timings import Stopwatch

if TYPE_CHECKING:
    from processor.codecs.download_buffer import Original
    from processor.render.pipeline import RenderedImage

RENDER_SECONDS = 240.0
"""Far more than the largest allowed photo needs on a slow CPU; a rendering that takes longer is stuck."""
IO_SECONDS = 180.0
"""Far more than the retries of the bucket need."""

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def estimated_bytes(
    original: Original, devices: tuple[Device, ...], name: str, limits: Limits = DEFAULT_LIMITS, turn: int = 0
) -> int:
    """Return the memory that rendering needs in addition to the bytes of the original.

    Raises RenderError for a header that is damaged or declares more pixels than `limits`.
    """
    from processor.codecs.download_buffer import DownloadBuffer, size_of
    from processor.render.camera_raw import photo_in
    from processor.render.decode_plan import PIPELINE_BYTES, estimate_bytes
    from processor.render.header import read_header
    from processor.render.pipeline import turned_header

    photo = photo_in(original, name)
    header, size = turned_header(read_header(photo, name, limits), turn), size_of(photo)
    streamed = PIPELINE_BYTES if isinstance(photo, DownloadBuffer) else 0
    needed = max(0, estimate_bytes(header, devices, size) + streamed - size)
    return needed if photo is original else needed + size  # the JPEG of a camera raw file is a second file in memory


@dataclass(slots=True)
class RenderSlot:
    """One photo whose memory is reserved. Use it with `RenderPool.render`."""

    original: Original
    devices: tuple[Device, ...]
    name: str
    quarantined: bool
    stopwatch: Stopwatch
    memory: MemoryReservation
    turn: int = 0
    thread_owns_memory: bool = False


class RenderPool:
    """Threads and memory budgets of one task; `close` ends the threads."""

    def __init__(
        self,
        *,
        threads: int,
        shares: Shares,
        sandbox: SandboxSettings | None = None,
        limits: Limits = DEFAULT_LIMITS,
        render_seconds: float = RENDER_SECONDS,
    ) -> None:
        """`sandbox` configures the process for quarantined images; the default follows from `shares` and `limits`."""
        self.threads = threads
        self.originals = MemoryBudget(shares.originals)
        self.rendering = MemoryBudget(shares.rendering)
        self._sandbox = sandbox or SandboxSettings(memory_bytes=shares.rendering, limits=limits)
        # One more slot than threads: its attempt is announced while the others still render.
        self._slots = asyncio.Semaphore(threads + 1)
        self._render_pool = ThreadPoolExecutor(threads, thread_name_prefix="render")
        self.io_threads = min(32, 4 * threads + 4)
        """Largest number of concurrent bucket calls."""
        self._io_pool = ThreadPoolExecutor(self.io_threads, thread_name_prefix="io")
        self._limits = limits
        self._render_seconds = render_seconds
        self._running = 0

    @property
    def busy(self) -> bool:
        """True while a thread is running, even if its result is no longer awaited."""
        return self._running > 0

    async def io(self, call: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        """Run a blocking call on an I/O thread. Raises BucketUnavailable if it exceeds the time limit."""
        try:
            async with asyncio.timeout(IO_SECONDS):
                return await self._in_pool(self._io_pool, lambda: call(*args, **kwargs), lambda: None)
        except TimeoutError as error:
            raise BucketUnavailable("", f"a read or write took more than {IO_SECONDS:.0f} seconds") from error

    def warm_up(self, call: Callable[[], object]) -> None:
        """Run `call` on a render thread at start-up. Exceptions are ignored here and surface with the first image."""
        self._render_pool.submit(call)

    @contextlib.asynccontextmanager
    async def slot(
        self,
        original: Original,
        devices: tuple[Device, ...],
        name: str,
        *,
        quarantined: bool = False,
        turn: int = 0,
        stopwatch: Stopwatch | None = None,
    ) -> AsyncIterator[RenderSlot]:
        """Wait for the memory that rendering the photo needs, and reserve it for the duration of the block.

        The memory is estimated from the header, which is read on an I/O thread. Not even the header of a quarantined
        image is read in this process: its file must be complete, and it gets the whole budget.

        Raises:
            RenderError: The header is bad, or the photo needs more memory than there is.
            BucketUnavailable: The header could not be read in time.
        """
        stopwatch = stopwatch or Stopwatch()
        if quarantined:
            size = self.rendering.total
        else:
            size = await self.io(estimated_bytes, original, devices, name, self._limits, turn)
        stopwatch.passed("fetching")
        async with self._slots:
            try:
                memory = await self.rendering.take(size)
            except BeyondBudget as error:
                raise too_much_memory(name, error.requested, error.total) from None
            stopwatch.passed("waiting")
            slot = RenderSlot(original, devices, name, quarantined, stopwatch, memory, turn)
            try:
                yield slot
            finally:
                if not slot.thread_owns_memory:
                    memory.release()

    async def render(self, slot: RenderSlot, focus: Focus | None = None) -> RenderedImage:
        """Render the photo of a slot, once per slot: on a render thread, or in a sandbox process if quarantined.

        The stages are measured by the slot's stopwatch, except in a sandbox process.

        Raises:
            RenderError: The photo is bad.
            SandboxDied: The quarantined image ended its process.
            RenderOverdue: The rendering does not end, so its thread is stuck.
        """
        if slot.quarantined:
            if not isinstance(slot.original, bytes):
                raise TypeError("a quarantined image must be downloaded before it is rendered")
            return await render_in_sandbox(slot.original, slot.devices, slot.name, self._sandbox, focus, slot.turn)
        # A stuck thread needs the memory until it ends, though the caller has left the block by then.
        slot.thread_owns_memory = True
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:

                def start_time_limit() -> None:
                    with contextlib.suppress(RuntimeError):  # the caller was cancelled, and the limit has ended
                        limit.reschedule(loop.time() + self._render_seconds)

                def render() -> RenderedImage:
                    # The limit begins here, because the time that this photo waited for other photos must not count.
                    if not loop.is_closed():
                        loop.call_soon_threadsafe(start_time_limit)
                    return _render(slot, focus, self._limits)

                return await self._in_pool(self._render_pool, render, slot.memory.release)
        except TimeoutError as error:
            raise RenderOverdue(
                f"rendering {printable_name(slot.name)} did not end within {self._render_seconds:g} seconds"
            ) from error

    async def _in_pool(self, pool: ThreadPoolExecutor, call: Callable[[], Value], at_end: Callable[[], None]) -> Value:
        """Run `call` on a thread, and `at_end` in the event loop when the thread has finished.

        A thread cannot be cancelled: its resources are released when it ends, not when its result is no longer
        awaited. Raises RuntimeError if the system cannot start a thread.
        """
        loop = asyncio.get_running_loop()
        abandoned = False

        def run() -> Value:
            if abandoned:
                raise RuntimeError("this call was abandoned")
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
            abandoned = True  # the call stays in the pool's queue, where an older thread may find it
            at_end()
            raise
        self._running += 1
        future.add_done_callback(on_end)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Start no more calls. Running calls may continue to their end."""
        self._render_pool.shutdown(wait=False, cancel_futures=True)
        self._io_pool.shutdown(wait=False, cancel_futures=True)


def _render(slot: RenderSlot, focus: Focus | None, limits: Limits) -> RenderedImage:
    """Render on the current thread; the time spent waiting for bytes counts as fetching."""
    from processor.codecs.download_buffer import seconds_waited
    from processor.render import pipeline

    slot.stopwatch.passed("waiting")
    before = seconds_waited(slot.original)
    try:
        rendered = pipeline.render_image(
            slot.original,
            slot.devices,
            focus=focus,
            turn=slot.turn,
            name=slot.name,
            limits=limits,
            stopwatch=slot.stopwatch,
        )
    finally:
        trim_after_image()
    slot.stopwatch.move(seconds_waited(slot.original) - before, "decoding", "fetching")
    return rendered
