"""`slideshow render`: pictures for screens from files to files, without backend or bucket."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.errors import CommandFailed
from slideshow.formatting import counted

if TYPE_CHECKING:
    from contract.messages.processing import Device
    from slideshow.photos.render_to_folder import RenderedFile

MAX_CONCURRENCY = 4
"""Photos in memory at a time, whatever the number of CPUs: a large one takes some hundred MB."""


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for all that is made.",
)
@click.option(
    "--device",
    "devices",
    metavar="NAME=WxH",
    multiple=True,
    help="A screen, such as kitchen=800x480; may be repeated. Five common sizes unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was made as one JSON object, and nothing else.")
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside of folders, too (the default).")
def render(paths: tuple[Path, ...], out: Path, devices: tuple[str, ...], as_json: bool, recurse: bool) -> None:
    """Make a picture of each photo for each screen, a thumbnail, and a file with its colours.

    PATH is a photo or a folder. Pictures go to DIR/<device>/<photo>.jpg, thumbnails to
    DIR/thumbnails/<photo>.jpg, colours to DIR/palettes/<photo>.json. A photo that cannot be rendered is
    reported, and the others go on.
    """
    from slideshow.photos.files import find_photos, no_photos_sentence
    from slideshow.photos.render_to_folder import output_names

    wanted = chosen_devices(devices)
    found = find_photos(paths, recurse=recurse)
    # What an earlier run wrote is no photo of the person.
    files = [path for path in found.files if not path.absolute().is_relative_to(out.absolute())]
    for sentence in found.unreadable:
        click.echo(sentence, err=True)
    if found.skipped:
        click.echo(found.skipped_sentence, err=True)
    if not files:
        raise click.UsageError(no_photos_sentence(paths, found, output=out))
    done = _render_all(files, output_names(files), out, wanted, quiet=as_json)
    failed = [result for result in done if result.error is not None]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({"results": done}).decode())
    else:
        photos, screens = counted(len(done), "photo"), counted(len(wanted), "screen")
        click.echo(f"{len(done) - len(failed)} of {photos} rendered for {screens} into {out}")
    if len(failed) == len(done):
        raise CommandFailed("none of the photos could be rendered")
    sys.exit(0)


def chosen_devices(texts: Sequence[str]) -> tuple[Device, ...]:
    """The devices that `--device` names, or the default ones. Raises click.BadParameter."""
    from slideshow.photos.render_to_folder import TAKEN_FOLDERS
    from slideshow.photos.screens import DEFAULT_SCREENS, screen

    if not texts:
        return DEFAULT_SCREENS
    devices: dict[str, Device] = {}
    for text in texts:
        name, sign, size = text.rpartition("=")
        if not sign:
            raise click.BadParameter(f"{text!r} should be NAME=WxH, such as kitchen=800x480", param_hint="'--device'")
        if name in devices or name in TAKEN_FOLDERS:
            why = "is given twice" if name in devices else "is the name of a folder that is used otherwise"
            raise click.BadParameter(f"{name!r} {why}", param_hint="'--device'")
        try:
            devices[name] = screen(name, size)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--device'") from error
    return tuple(devices.values())


def _render_all(
    files: Sequence[Path], names: Sequence[str], out: Path, devices: Sequence[Device], *, quiet: bool
) -> list[RenderedFile]:
    """Render a few at once; each is reported, unless `quiet`, as soon as those before it are done."""
    from slideshow.photos.render_to_folder import render_file

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    results: list[RenderedFile] = []
    pool = ThreadPoolExecutor(min(cpus, MAX_CONCURRENCY), "render")
    try:
        for result in pool.map(
            lambda pair: render_file(pair[0], pair[1], out, devices), zip(files, names, strict=True)
        ):
            results.append(result)
            if result.error is not None:
                click.echo(result.error, err=True)
            elif not quiet:
                click.echo(f"{result.file}: {result.width}x{result.height}, {' '.join(result.colours[:3])}")
    except OSError as error:
        raise CommandFailed(f"{out} cannot be written: {error.strerror or error} ({error.filename})") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return results
