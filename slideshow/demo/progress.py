"""Progress of the demo on stderr: a live bar on a terminal, otherwise a line every few seconds."""

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
    """Counts the photos of this run: those that were finished before are subtracted."""

    def __init__(self, before: Status) -> None:
        self._before = before.images.get("complete", 0) + before.images.get("failed", 0)

    def counts(self, status: Status) -> tuple[int, int, str]:
        """Return (finished photos, all photos of this run, the counts as text)."""
        pending, processing = status.images.get("pending", 0), status.images.get("processing", 0)
        complete, failed = status.images.get("complete", 0), status.images.get("failed", 0)
        done = max(0, complete + failed - self._before)
        text = f"in all {pending} pending, {processing} processing, {complete} complete, {failed} failed"
        return done, done + pending + processing, text


class LiveDisplay:
    """Two progress bars."""

    def __init__(self, progress: Progress, files: int, before: Status) -> None:
        self._counter = _Counter(before)
        self._progress = progress
        self._uploads = progress.add_task("sent", total=files, text="")
        self._rendered: TaskID | None = None

    def sent(self, number: int, total: int, rejected: int) -> None:
        text = f"{rejected} rejected" if rejected else ""
        self._progress.update(self._uploads, completed=number, total=total, text=text)

    def rendering(self, status: Status) -> None:
        done, total, text = self._counter.counts(status)
        if self._rendered is None:
            self._rendered = self._progress.add_task("rendered", total=None, text="")
        self._progress.update(self._rendered, completed=done, total=total, text=text)


class PlainDisplay:
    """Lines of text: at most one every few seconds, one at the end of each step, and no line twice."""

    def __init__(self, console: Console, before: Status, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = _Counter(before)
        self._console = console
        self._clock = clock
        self._next = clock() + PLAIN_SECONDS
        self._printed = ""

    def sent(self, number: int, total: int, rejected: int) -> None:
        self._print(f"sent {number} of {total}, {rejected} rejected", last=number == total)

    def rendering(self, status: Status) -> None:
        done, total, text = self._counter.counts(status)
        if total:  # otherwise every photo was a duplicate or rejected
            self._print(f"rendered {done} of {total}; {text}", last=done == total)

    def _print(self, line: str, *, last: bool) -> None:
        if line != self._printed and (last or self._clock() >= self._next):
            self._console.print(line, highlight=False, markup=False)
            self._next = self._clock() + PLAIN_SECONDS
            self._printed = line


@contextmanager
def display(console: Console, files: int, before: Status) -> Iterator[Display]:
    """Yield the display that fits the console. `before` is the backend's status before the first upload."""
    if not console.is_terminal:
        yield PlainDisplay(console, before)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        yield LiveDisplay(progress, files, before)
