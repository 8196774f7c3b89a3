"""`slideshow demo`: run the whole system on one machine, from a folder of photos to variants and colours."""

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

from slideshow.client.access import DATA
from slideshow.errors import CommandFailed
from slideshow.output import counted, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from contract.messages.admin import Status
    from slideshow.client.local_backend import BackendProcess
    from slideshow.client.uploads import SentPhoto
    from slideshow.demo.report import Figures, PhotoLine

LEASE = {"LEASE_SECONDS": "3"}
"""A short lease: after a crash, the next run of the demo continues within seconds. The environment overrides it."""
PIPED_WIDTH = 140
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The command received a stop signal."""

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
    help="Data folder for database, bucket, password and log. A second run skips photos that are already in it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object and nothing else.")
@click.option("--stay", is_flag=True, help="Keep the backend running afterwards, until Ctrl-C.")
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside folders. On by default.")
def demo(paths: tuple[Path, ...], data: Path, as_json: bool, stay: bool, recurse: bool) -> None:
    """Run the whole system on photos: upload, queue, parallel tasks, variants for five screen sizes, colours.

    PATH is a folder or a photo. Without a PATH, twelve sample photos are generated. Everything runs on
    this machine and is stored in the data folder. Your photos are only read.
    """
    with handling_signals():
        try:
            code = _demo(paths, data, as_json=as_json, stay=stay, recurse=recurse)
        except Stopped as stopped:
            click.echo("stopped; finished work is saved, and the same command continues from there", err=True)
            code = 128 + stopped.number
    sys.exit(code)


@contextmanager
def handling_signals() -> Iterator[None]:
    """Raise Stopped for stop signals within the block, so that started processes are stopped in order."""

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

    from slideshow.client.local_backend import BackendProcess, only_demo, stored_password

    console = Console(stderr=True, highlight=False)
    with only_demo(data):
        files = demo_photos(paths, data / "samples", recurse)
        began, cpu_before = time.monotonic(), _cpu_used()
        console.print(f"starting the backend in {data} for {counted(len(files), 'photo')}", markup=False)
        backend = BackendProcess(data, {**LEASE, **os.environ})
        try:
            sent, lines, status = upload_and_render(backend, stored_password(data), files, console)
            wall = time.monotonic() - began
            if stay:
                running = backend.cpu_seconds() or sum(run.cpu_seconds for run in status.executions)
                cpu = _cpu_used() - cpu_before + running
            else:
                backend.stop()
                cpu = _cpu_used() - cpu_before
            figures = _figures(lines, status, wall, cpu, data, backend.url)
            if as_json:
                print_json(figures)
            else:
                _print_report(figures, lines)
            if stay:
                _stay(backend, console)
        finally:
            backend.stop()
    errors = sum(photo.system_error for photo in sent)
    if errors:
        raise CommandFailed(
            f"{counted(errors, 'photo')} could not be sent because of a system error; see {backend.log}"
        )
    return 0


def demo_photos(paths: tuple[Path, ...], samples: Path, recurse: bool) -> Sequence[Path]:
    """Return the photos that `paths` name, or the generated ones in `samples`. Raises click.UsageError."""
    from slideshow.demo.samples import make_samples
    from slideshow.photos.files import chosen_photos

    if paths:
        return chosen_photos(paths, recurse=recurse)
    return make_samples(samples, lambda line: click.echo(line, err=True))


def upload_and_render(
    backend: BackendProcess, password: str, files: Sequence[Path], console: Console
) -> tuple[list[SentPhoto], list[PhotoLine], Status]:
    """Upload the files, wait until they are rendered, and import the sidecars.

    Returns:
        The outcome of each upload, the outcome for each photo, and the backend's last status.
    """
    from slideshow.client.http import Client
    from slideshow.client.uploads import send_all
    from slideshow.demo import run as demo_run
    from slideshow.demo.progress import display
    from slideshow.demo.report import line_of

    since = time.time()
    with demo_run.explained(backend), Client(backend.url) as client:
        client.log_in(password)
        demo_run.register_devices(client)
        total = len(files)
        with display(console, total, client.status(since)) as shown:
            sent = send_all(client, files, lambda number, rejected: shown.sent(number, total, rejected), backend.check)
            client.flush()
            status = demo_run.wait_until_rendered(client, backend, since, shown.rendering)
        demo_run.sync(client)
        images = demo_run.images_of(client, sent)
    return sent, [line_of(photo, images) for photo in sent], status


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


def _print_report(figures: Figures, lines: list[PhotoLine]) -> None:
    from rich.console import Console

    from slideshow.demo.report import print_table, summary

    console = Console(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width
        console = Console(highlight=False, width=PIPED_WIDTH)
    print_table(console, lines)
    click.echo()
    click.echo(summary(figures, lines))


def _stay(backend: BackendProcess, console: Console) -> None:
    """Wait for Ctrl-C, then stop the backend. Raises BackendEnded if the backend ends first."""
    from slideshow.client.local_backend import stored_password

    console.print(f"The backend runs at {backend.url} until Ctrl-C.", markup=False)
    console.print(
        f"The password is {stored_password(backend.data)} (stored in {backend.data / 'secrets.json'}).", markup=False
    )
    try:
        while not backend.wait(0.5):
            pass
    except Stopped:
        backend.stop()
        console.print("stopped")
        return
    backend.check()


def _cpu_used() -> float:
    """Return the CPU seconds of this process and of its ended descendants."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
