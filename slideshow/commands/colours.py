"""`slideshow colours`: palettes and Material schemes of photos, on the terminal, as JSON, or as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from contract.messages.frames import SchemeVariant
from slideshow.errors import CommandFailed
from slideshow.output import counted, print_json, writing_html

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from slideshow.photos.colours import PhotoColours

SHOWN_ROLES = ("primary", "secondary", "tertiary", "primaryContainer", "surface", "surfaceVariant")
"""The roles that are printed, of the scheme's 55. Each has a text colour: `onPrimary` and so on."""


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--html", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Also write an HTML page."
)
@click.option(
    "--variant",
    type=click.Choice(get_args(SchemeVariant)),
    help="Material scheme variant. Default: tonal_spot, or fidelity for a photo without colours.",
)
@click.option(
    "--contrast",
    type=click.FloatRange(-1, 1),
    default=0.0,
    show_default=True,
    help="Contrast of the schemes, from -1 (lowest) to 1 (highest).",
)
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside folders. On by default.")
def colours(
    paths: tuple[Path, ...], as_json: bool, html: Path | None, variant: str | None, contrast: float, recurse: bool
) -> None:
    """Show the palette of each photo, and the light and dark Material schemes derived from it.

    PATH is a photo or a folder. No backend is needed. A photo that cannot be read is reported and skipped.
    """
    from rich.console import Console

    from slideshow.photos.colours import colours_of_file
    from slideshow.photos.colours_page import FOOT, HEAD, section_of
    from slideshow.photos.files import chosen_photos, map_photos

    if contrast != contrast:  # click accepts "nan", which passes every range check
        raise click.BadParameter("nan is not in the range -1<=x<=1.", param_hint="'--contrast'")
    files = chosen_photos(paths, recurse=recurse)
    console = Console(highlight=False, soft_wrap=True)
    done: list[PhotoColours] = []
    with ExitStack() as stack:
        write = stack.enter_context(writing_html(html, HEAD, FOOT)) if html is not None else None
        for photo, preview in map_photos(
            lambda file: colours_of_file(
                file, cast(SchemeVariant | None, variant), contrast, preview=write is not None
            ),
            files,
        ):
            done.append(photo)
            if photo.error is not None:
                click.echo(photo.error, err=True)
                continue
            if write is not None:
                write(section_of(photo, preview))
            if not as_json:
                print_photo(console, photo)
        failed = sum(photo.error is not None for photo in done)
        if as_json:
            print_json({"results": done})
        if failed == len(done):
            raise CommandFailed("none of the photos could be read")
    if html is not None and not as_json:
        click.echo(f"wrote {len(done) - failed} of {counted(len(done), 'photo')} to {html}")


def print_photo(console: Console, photo: PhotoColours) -> None:
    """Print the file, its palette, its light scheme and its dark scheme, with swatches on a colour terminal."""
    from rich.text import Text

    palette, schemes = photo.color_palette, photo.schemes
    assert palette is not None
    assert schemes is not None
    remark = ", no colours found: palette of its own tones" if palette.neutral else ""
    in_colour = console.color_system is not None
    console.print(Text.assemble((photo.file, "bold"), f": {photo.width}x{photo.height}{remark}"))
    console.print(_line("palette", [("", colour, "") for colour in palette.all_colors], in_colour))
    for name, scheme in (("light", schemes.light), ("dark", schemes.dark)):
        cells = [(role, scheme[role], scheme[f"on{role[0].upper()}{role[1:]}"]) for role in SHOWN_ROLES]
        console.print(_line(name, cells, in_colour))


def _line(name: str, cells: Sequence[tuple[str, str, str]], in_colour: bool) -> Text:
    """Return a row of (role, background, text colour). A cell without a text colour is a swatch and its number."""
    from rich.text import Text

    line = Text(f"  {name:8}")
    for role, background, text in cells:
        label = f"{role} {background}" if role else background
        if in_colour and text:
            line.append(f" {label} ", f"{text} on {background}")
        elif in_colour:
            line.append("   ", f"on {background}")
            line.append(f" {label} ")
        else:
            line.append(f" {label}")
    return line
