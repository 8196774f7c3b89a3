"""`slideshow demo`: the whole system on one machine, from a folder of photos to pictures and colours."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from slideshow.errors import CommandFailed
from slideshow.formatting import counted

if TYPE_CHECKING:
    from rich.console import Console

    from contract.messages.admin import Status
    from slideshow.client.local_backend import BackendProcess
    from slideshow.client.uploads import SentPhoto
    from slideshow.demo.report import Figures, PhotoLine
    from slideshow.photos.files import FoundPhotos

DATA = ".slideshow"
PIPED_WIDTH = 140
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--data",
    metavar="DIR",
    default=DATA,
    envvar="SLIDESHOW_DATA",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where database, bucket, password and log are kept. Run again on it, and known photos are skipped.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object, and nothing else.")
@click.option("--stay", is_flag=True, help="Keep the backend running afterwards, until Ctrl-C.")
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside of folders, too (the default).")
def demo(paths: tuple[Path, ...], data: Path, as_json: bool, stay: bool, recurse: bool) -> None:
    """Run the whole system on photos: upload, queue, parallel tasks, pictures for five screens, colours.

    PATH is a folder, which is searched through, or a photo. Without any, twelve sample pictures are made.
    Everything happens on this machine, in the data folder; your photos are only read.
    """
    with ending_on_signals():
        try:
            code = _demo(paths, data, as_json=as_json, stay=stay, recurse=recurse)
        except Stopped as stopped:
            click.echo("stopped; what was done is kept, and the same command goes on from there", err=True)
            code = 128 + stopped.number
    sys.exit(code)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Within, a signal that asks us to end raises Stopped, so that whatever was started is ended in order."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _demo(paths: tuple[Path, ...], data: Path, *, as_json: bool, stay: bool, recurse: bool) -> int:
    from rich.console import Console

    from slideshow.client.local_backend import BackendProcess, kept_password, only_demo

    told = Console(stderr=True, highlight=False)
    with only_demo(data):
        found = photos_meant(paths, data, recurse, told)
        began, used_before = time.monotonic(), _cpu_used()
        told.print(f"{counted(len(found.files), 'photo')}; the backend starts in {data}", markup=False)
        backend = BackendProcess(data, os.environ)
        try:
            sent, lines, status = main_job(backend, kept_password(data), found.files, told)
            wall = time.monotonic() - began
            if stay:
                running = backend.cpu_seconds() or sum(run.cpu_seconds for run in status.executions)
                cpu = _cpu_used() - used_before + running
            else:
                backend.stop()
                cpu = _cpu_used() - used_before
            figures = _figures(lines, status, wall, cpu, data, backend.url)
            _report(figures, lines, as_json=as_json)
            if stay:
                _stay(backend, told)
        finally:
            backend.stop()
    faults = sum(photo.fault for photo in sent)
    if faults:
        raise CommandFailed(
            f"{counted(faults, 'photo')} could not be sent, though the files may be in order; see {backend.log}"
        )
    return 0


def photos_meant(paths: tuple[Path, ...], data: Path, recurse: bool, told: Console) -> FoundPhotos:
    """The files meant by `paths`, or the samples. Raises click.UsageError if there are none."""
    from slideshow.photos.files import FoundPhotos, find_photos, no_photos_sentence

    if not paths:
        from slideshow.demo.samples import make_samples

        return FoundPhotos(tuple(make_samples(data / "samples", lambda line: told.print(line, markup=False))))
    try:
        found = find_photos(paths, recurse=recurse)
    except (FileNotFoundError, ValueError) as error:
        raise click.UsageError(f"{error}.") from error
    for sentence in found.unreadable:
        told.print(sentence, markup=False, style="yellow")
    if found.skipped:
        told.print(found.skipped_sentence, markup=False)
    if not found.files:
        raise click.UsageError(no_photos_sentence(paths, found))
    return found


def main_job(
    backend: BackendProcess, password: str, files: Sequence[Path], told: Console
) -> tuple[list[SentPhoto], list[PhotoLine], Status]:
    """Upload, render, sync: what was sent, what became of each photo, and the backend's last status."""
    from slideshow.client.http import Client
    from slideshow.client.uploads import send_all
    from slideshow.demo import run as demo_run
    from slideshow.demo.progress import display
    from slideshow.demo.report import line_of

    since = time.time()
    with demo_run.explained(backend), Client(backend.url) as client:
        client.log_in(password)
        demo_run.register_screens(client)
        total = len(files)
        with display(told, total, client.status(since)) as shown:
            sent = send_all(client, files, lambda number, refused: shown.sent(number, total, refused), backend.check)
            client.flush()
            status = demo_run.wait_until_rendered(client, backend, since, shown.rendering)
        demo_run.sync(client)
        known = demo_run.images_of(client, sent)
    return sent, [line_of(photo, known) for photo in sent], status


def _figures(lines: list[PhotoLine], status: Status, wall: float, cpu: float, data: Path, url: str) -> Figures:
    from slideshow.demo.report import figures_of

    return figures_of(
        lines,
        variants=status.rendered_since,
        wall_s=wall,
        cpu_s=cpu,
        peak_rss_mb=max((run.peak_rss_mb for run in status.executions), default=0.0),
        data=str(data.absolute()),
        url=url,
    )


def _report(figures: Figures, lines: list[PhotoLine], *, as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(figures).decode())
        return
    from rich.console import Console

    from slideshow.demo.report import print_table, sentence_of

    console = Console(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width of its own
        console = Console(highlight=False, width=PIPED_WIDTH)
    print_table(console, lines)
    click.echo()
    click.echo(sentence_of(figures, lines))


def _stay(backend: BackendProcess, told: Console) -> None:
    """Wait for Ctrl-C, then end the backend in order. Raises BackendEnded if the backend ends first."""
    from slideshow.client.local_backend import kept_password

    told.print(f"The backend stays at {backend.url} until Ctrl-C.", markup=False)
    told.print(
        f"Its password is {kept_password(backend.data)} (kept in {backend.data / 'secrets.json'}).", markup=False
    )
    try:
        while not backend.wait(0.5):
            pass
    except Stopped:
        backend.stop()
        told.print("stopped")
        return
    backend.check()


def _cpu_used() -> float:
    """CPU seconds of this process and of those children, and theirs, that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
