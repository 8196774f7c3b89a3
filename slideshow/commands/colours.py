"""`slideshow colours`: palettes and Material schemes of photos, on the terminal, as data, or as a page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from contract.messages.frames import SchemeVariant
from slideshow.errors import CommandFailed
from slideshow.formatting import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from slideshow.photos.colours import PhotoColours

MAX_CONCURRENCY = 4
"""Photos in memory at a time, whatever the number of CPUs: a large one takes some hundred MB."""
SHOWN_ROLES = ("primary", "secondary", "tertiary", "primaryContainer", "surface", "surfaceVariant")
"""Of the scheme's 55 roles those that are printed; each has a text colour, `onPrimary` and so on."""


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object, and nothing else.")
@click.option(
    "--html", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to look at."
)
@click.option(
    "--variant",
    type=click.Choice(get_args(SchemeVariant)),
    help="Kind of Material scheme; unless given tonal_spot, and fidelity for a photo without colours.",
)
@click.option(
    "--contrast",
    type=click.FloatRange(-1, 1),
    default=0.0,
    show_default=True,
    help="Contrast of the schemes, from -1 (least) to 1 (most).",
)
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside of folders, too (the default).")
def colours(
    paths: tuple[Path, ...], as_json: bool, html: Path | None, variant: str | None, contrast: float, recurse: bool
) -> None:
    """Show the palette of each photo, and the light and dark Material schemes made from it.

    PATH is a photo or a folder. No backend is needed. A photo that cannot be read is reported, and the others
    go on.
    """
    from rich.console import Console

    from slideshow.photos.files import find_photos, no_photos_sentence

    if contrast != contrast:  # click's range lets "nan" through, which no comparison refuses
        raise click.BadParameter("nan is not in the range -1<=x<=1.", param_hint="'--contrast'")
    found = find_photos(paths, recurse=recurse)
    for sentence in found.unreadable:
        click.echo(sentence, err=True)
    if found.skipped:
        click.echo(found.skipped_sentence, err=True)
    if not found.files:
        raise click.UsageError(no_photos_sentence(paths, found))
    console = Console(highlight=False, soft_wrap=True)
    done: list[PhotoColours] = []
    with ExitStack() as stack:
        page = None
        if html is not None:
            from slideshow.photos.colours_page import writing_page

            page = stack.enter_context(writing_page(html))
        for photo, preview in _read_all(found.files, cast(SchemeVariant | None, variant), contrast, page is not None):
            done.append(photo)
            if photo.error is not None:
                click.echo(photo.error, err=True)
            else:
                if page is not None:
                    page.add(photo, preview)
                if not as_json:
                    print_photo(console, photo)
        failed = sum(photo.error is not None for photo in done)
        if as_json:
            import msgspec

            click.echo(msgspec.json.encode({"results": done}).decode())
        if failed == len(done):
            raise CommandFailed("none of the photos could be read")
    if html is not None and not as_json:
        click.echo(f"{len(done) - failed} of {counted(len(done), 'photo')} shown in {html}")


def _read_all(
    files: Sequence[Path], variant: SchemeVariant | None, contrast: float, preview: bool
) -> Iterator[tuple[PhotoColours, bytes]]:
    """A few at once, in their order."""
    from slideshow.photos.colours import colours_of_file

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ThreadPoolExecutor(min(cpus, MAX_CONCURRENCY), "colours")
    try:
        yield from pool.map(lambda file: colours_of_file(file, variant, contrast, preview=preview), files)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def print_photo(console: Console, photo: PhotoColours) -> None:
    """Four lines: the file, its palette, its light and its dark scheme. Numbers, and swatches where there is colour."""
    from rich.text import Text

    palette, schemes = photo.color_palette, photo.schemes
    assert palette is not None
    assert schemes is not None
    remark = ", without colour: its own tones" if palette.neutral else ""
    in_colour = console.color_system is not None
    console.print(Text.assemble((photo.file, "bold"), f": {photo.width}x{photo.height}{remark}"))
    console.print(_line("palette", [("", colour, "") for colour in palette.all_colors], in_colour))
    for name, scheme in (("light", schemes.light), ("dark", schemes.dark)):
        cells = [(role, scheme[role], scheme[f"on{role[0].upper()}{role[1:]}"]) for role in SHOWN_ROLES]
        console.print(_line(name, cells, in_colour))


def _line(name: str, cells: Sequence[tuple[str, str, str]], in_colour: bool) -> Text:
    """A row of (role, ground, text colour); without a text colour a bare swatch stands before the number."""
    from rich.text import Text

    line = Text(f"  {name:8}")
    for role, ground, text in cells:
        label = f"{role} {ground}" if role else ground
        if in_colour and text:
            line.append(f" {label} ", f"{text} on {ground}")
        elif in_colour:
            line.append("   ", f"on {ground}")
            line.append(f" {label} ")
        else:
            line.append(f" {label}")
    return line
