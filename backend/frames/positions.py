"""Persist playback positions before an entry is returned, so that a crash never repeats a photo.

If one client polls a device, each call waits for its write, and the stored position is exact. If several clients
poll the same device concurrently, positions are reserved in blocks. After a crash, unused reservations are skipped
until the next cycle; a regular shutdown returns them. If the database is not durable, playback continues from its
latest snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database, shuffle_queues
from backend.frames.state import FrameState

log = logging.getLogger(__name__)


class PositionWriter:
    """Writes the positions, with one write at a time per device."""

    def __init__(self, database: Database, may_write: Callable[[], bool]) -> None:
        """`may_write` returns True if positions may be stored."""
        self._database = database
        self._may_write = may_write

    async def keep(self, state: FrameState, shown: int) -> None:
        """Return once the number of returned entries, `shown`, is stored."""
        saved = state.saved
        while saved.shown < shown and self._may_write():
            saved.waiting += 1
            try:
                await asyncio.shield(self._writing(state))
            finally:
                saved.waiting -= 1

    def keep_ahead(self, state: FrameState) -> None:
        """Begin the next reservation before the current one is used up, so that no call waits for it."""
        queue, saved = state.queue, state.saved
        if 2 * (saved.shown - queue.shown) <= saved.ahead and saved.shown < len(queue.entries) and self._may_write():
            self._writing(state)

    def _writing(self, state: FrameState) -> asyncio.Task[None]:
        if state.saved.writing is None:
            state.saved.writing = asyncio.create_task(self._write(state))
            state.saved.writing.add_done_callback(_log_if_failed)
        return state.saved.writing

    async def _write(self, state: FrameState) -> None:
        queue, saved, shown = state.queue, state.saved, state.position_to_save()
        try:
            await self._database.write(shuffle_queues.save_position, state.device.id, queue.version, shown)
            saved.was_written(shown)
        except Exception:
            if state.saved is saved:  # the waiting calls fail, and their clients repeat them
                left = min(state.queue.shown, max(saved.shown, saved.given))
                state.queue = msgspec.structs.replace(state.queue, shown=left)
            raise
        finally:
            saved.writing = None

    async def close(self, states: Iterable[FrameState]) -> None:
        """Return the unused reservations of these states."""
        for state in states:
            try:
                if state.saved.writing is not None:
                    await asyncio.wait([state.saved.writing])
                queue, saved = state.queue, state.saved
                if not queue.interval and saved.shown > queue.shown and self._may_write():
                    await self._database.write(
                        shuffle_queues.return_reserved, state.device.id, queue.version, queue.shown, saved.shown
                    )
            except SQLAlchemyError as error:
                log.warning("device %s: unused reservations could not be returned: %s", state.device.id, error)


def _log_if_failed(writing: asyncio.Task[None]) -> None:
    """Log the error of a write for which possibly no call waits. The next call begins another write."""
    if not writing.cancelled() and (error := writing.exception()) is not None:
        log.warning("playback position could not be saved: %s", error)
