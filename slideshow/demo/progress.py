"""How far the demo is: a live bar on a terminal, a line every few seconds elsewhere. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from contract.messages.admin import Status
from slideshow.demo.run import Display

PLAIN_SECONDS = 3.0


class _Counter:
    """This run's part of the backend's counts: what was there before it is subtracted."""

    def __init__(self) -> None:
        self._before = 0

    def begin(self, status: Status) -> None:
        self._before = status.images.get("complete", 0) + status.images.get("failed", 0)

    def of(self, status: Status) -> tuple[int, int, str]:
        """(done, all, in words)."""
        pending, processing = status.images.get("pending", 0), status.images.get("processing", 0)
        complete, failed = status.images.get("complete", 0), status.images.get("failed", 0)
        done = max(0, complete + failed - self._before)
        words = f"of all photos pending {pending}, processing {processing}, complete {complete}, failed {failed}"
        return done, done + pending + processing, words


class LiveDisplay:
    """Two bars that move."""

    def __init__(self, progress: Progress, files: int, before: Status) -> None:
        self._counter = _Counter()
        self._counter.begin(before)
        self._progress = progress
        self._uploads = progress.add_task("sent", total=files, words="")
        self._rendered: TaskID | None = None

    def sent(self, number: int, total: int, refused: int) -> None:
        words = f"refused {refused}" if refused else ""
        self._progress.update(self._uploads, completed=number, total=total, words=words)

    def rendering(self, status: Status) -> None:
        done, everything, words = self._counter.of(status)
        if self._rendered is None:
            self._rendered = self._progress.add_task("rendered", total=None, words="")
        self._progress.update(self._rendered, completed=done, total=everything, words=words)


class PlainDisplay:
    """Lines, not more often than every few seconds, and one at the end of each part; never the same one twice."""

    def __init__(self, console: Console, before: Status, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = _Counter()
        self._counter.begin(before)
        self._console = console
        self._clock = clock
        self._next = clock() + PLAIN_SECONDS
        self._said = ""

    def sent(self, number: int, total: int, refused: int) -> None:
        self._say(f"sent {number} of {total}, refused {refused}", last=number == total)

    def rendering(self, status: Status) -> None:
        done, everything, words = self._counter.of(status)
        if everything:  # else every photo was there before, or refused
            self._say(f"rendered {done} of {everything}: {words}", last=done == everything)

    def _say(self, line: str, *, last: bool) -> None:
        if line != self._said and (last or self._clock() >= self._next):
            self._console.print(line, highlight=False, markup=False)
            self._next = self._clock() + PLAIN_SECONDS
            self._said = line


@contextmanager
def display(console: Console, files: int, before: Status) -> Iterator[Display]:
    """The form that fits the console; `before` is the backend's status before the first upload."""
    if not console.is_terminal:
        yield PlainDisplay(console, before)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}", style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        yield LiveDisplay(progress, files, before)
