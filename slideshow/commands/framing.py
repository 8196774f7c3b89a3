"""`slideshow framing`: a page that shows what every screen gets of each photo, by its middle and by its focal point."""

from __future__ import annotations

import sys
from base64 import b64encode
from html import escape
from pathlib import Path

import click
from msgspec import Struct

from contract.messages.processing import Device, Focus
from slideshow.errors import CommandFailed
from slideshow.formatting import counted
from slideshow.output import writing_html
from slideshow.photos.reading import CannotRead, read_photo

WHOLE_SIDE, SCREEN_HEIGHT = 280, 150
"""Pixels: the longest side of the whole photo, and the height of each screen's picture."""

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Framing of photos</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 24px; background: #fff; color: #222 }
section { display: flex; flex-wrap: wrap; gap: 12px 18px; padding: 14px 0; border-top: 1px solid #ccc }
h2 { flex-basis: 100%; font-size: 15px; margin: 0; overflow-wrap: anywhere }
h2 span { font-weight: normal; color: #555 }
figure { margin: 0 } figcaption { font-size: 12px; color: #555 }
.pair img { display: block; margin-bottom: 4px; outline: 1px solid #ccc }
svg { display: block }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } h2 span, figcaption { color: #aaa } }
</style></head><body><h1>Framing of photos</h1>
<p>Left the whole photo with its focal point. Of each pair the upper picture is cut from the middle, the lower one
is what a frame gets.</p>
"""


class Framed(Struct, frozen=True, kw_only=True):
    """One photo: the whole of it as a JPEG, its focal point, and for each screen the picture by middle and by focus."""

    name: str
    width: int
    height: int
    focus: Focus
    whole: bytes
    pairs: tuple[tuple[str, bytes, bytes], ...]


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--html", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The page to write."
)
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside of folders, too (the default).")
def framing(paths: tuple[Path, ...], html: Path, recurse: bool) -> None:
    """Write a page of what frames of five shapes get of each photo, before and after framing by focal point.

    PATH is a photo or a folder. No backend is needed. A photo that cannot be read is reported, and the others go on.
    """
    from processor.errors import RenderError
    from slideshow.photos.files import find_photos, no_photos_sentence

    found = find_photos(paths, recurse=recurse)
    for sentence in found.unreadable:
        click.echo(sentence, err=True)
    if not found.files:
        raise click.UsageError(no_photos_sentence(paths, found))
    shown = 0
    with (
        writing_html(html, _HEAD, "</body></html>\n") as page,
        click.progressbar(found.files, label="framing", file=sys.stderr, hidden=not sys.stderr.isatty()) as files,
    ):
        for file in files:
            try:
                page.write(section_of(framed(read_photo(file), file.name)))
                shown += 1
            except (CannotRead, RenderError) as error:
                click.echo(str(error), err=True)
        if shown == 0:
            raise CommandFailed("none of the photos could be read")
    click.echo(f"{shown} of {counted(len(found.files), 'photo')} shown in {html}")


def framed(data: bytes, name: str) -> Framed:
    """Frame the photo in `data` both ways for the five default screens. Raises RenderError."""
    from contract.recipes import CENTRE, FOCUS
    from processor.render.header import read_header
    from processor.render.pipeline import render_image
    from slideshow.photos.screens import DEFAULT_SCREENS

    header = read_header(data, name)
    scale = min(1.0, WHOLE_SIDE / max(header.upright_width, header.upright_height))
    sides = [max(1, round(side * scale)) for side in (header.upright_width, header.upright_height)]
    whole = Device(name="whole", width=sides[0], height=sides[1])
    screens = [
        Device(name=screen.name, width=round(screen.width * SCREEN_HEIGHT / screen.height), height=SCREEN_HEIGHT)
        for screen in DEFAULT_SCREENS
    ]
    middle = render_image(data, [whole, *screens], framing=CENTRE, name=name)
    focused = render_image(data, screens, framing=FOCUS, name=name)
    assert focused.found_focus is not None
    return Framed(
        name=name,
        width=middle.width,
        height=middle.height,
        focus=focused.found_focus,
        whole=middle.variants[0].data,
        pairs=tuple(
            (before.device.name, before.data, after.data)
            for before, after in zip(middle.variants[1:], focused.variants, strict=True)
        ),
    )


def section_of(photo: Framed) -> str:
    """The photo's part of the page."""
    scale = min(1.0, WHOLE_SIDE / max(photo.width, photo.height))
    width, height = round(photo.width * scale), round(photo.height * scale)
    x, y = photo.focus[0] * width, photo.focus[1] * height
    pairs = "".join(
        f'<figure class="pair"><img alt="middle" src="{_source(before)}"><img alt="focus" src="{_source(after)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, before, after in photo.pairs
    )
    return (
        f"<section><h2>{escape(photo.name)} <span>{photo.width} x {photo.height}, "
        f"focus {photo.focus[0]:.2f}, {photo.focus[1]:.2f}</span></h2>"
        f'<svg width="{width}" height="{height}" role="img" aria-label="the whole photo with its focal point">'
        f'<image href="{_source(photo.whole)}" width="{width}" height="{height}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="#000" stroke-width="5"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="#fff" stroke-width="2"/></svg>{pairs}</section>\n'
    )


def _source(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + b64encode(jpeg).decode()
