"""`slideshow framing`: preview how photos are cropped for frames, as an HTML page."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from slideshow.errors import CommandFailed
from slideshow.output import counted, writing_html


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--html", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The page to write."
)
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside folders. On by default.")
def framing(paths: tuple[Path, ...], html: Path, recurse: bool) -> None:
    """Write an HTML page that previews how each photo is cropped for five screen sizes.

    The page shows a centred crop next to the crop around the focal point, which is what frames show.

    PATH is a photo or a folder. No backend is needed. A photo that cannot be read is reported and skipped.
    """
    from processor.errors import RenderError
    from slideshow.photos.crop_preview import FOOT, HEAD, preview_crops, section_of
    from slideshow.photos.files import CannotRead, chosen_photos, read_photo

    photos = chosen_photos(paths, recurse=recurse)
    shown = 0
    with (
        writing_html(html, HEAD, FOOT) as write,
        click.progressbar(photos, label="framing", file=sys.stderr, hidden=not sys.stderr.isatty()) as files,
    ):
        for file in files:
            try:
                write(section_of(preview_crops(read_photo(file), file.name)))
                shown += 1
            except (CannotRead, RenderError) as error:
                click.echo(str(error), err=True)
        if shown == 0:
            raise CommandFailed("none of the photos could be read")
    click.echo(f"wrote {shown} of {counted(len(photos), 'photo')} to {html}")
