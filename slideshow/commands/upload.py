"""`slideshow upload`: send photos to a running backend."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from slideshow.client.access import Access, with_access
from slideshow.client.uploads import SentPhoto, send_all
from slideshow.errors import CommandFailed
from slideshow.output import print_json
from slideshow.photos.reading import printable


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside of folders, too (the default).")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each file as one JSON object.")
@with_access
def upload(paths: tuple[Path, ...], recurse: bool, as_json: bool, access: Access) -> None:
    """Send photos to a backend. It renders them by itself, half a minute later at most.

    PATH is a photo or a folder. Photos that the backend has already are not kept twice.
    """
    from slideshow.photos.files import find_photos, no_photos_sentence

    found = find_photos(paths, recurse=recurse)
    for sentence in found.unreadable:
        click.echo(sentence, err=True)
    if found.skipped:
        click.echo(found.skipped_sentence, err=True)
    if not found.files:
        raise click.UsageError(no_photos_sentence(paths, found))

    def tell(number: int, refused: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\rsent {number} of {len(found.files)}, refused {refused} ", nl=False, err=True)

    with access.client() as client:
        sent = send_all(client, found.files, tell)
    if sys.stderr.isatty():
        click.echo(err=True)
    refused = [photo for photo in sent if photo.refused is not None]
    if as_json:
        print_json({"results": [_result(photo) for photo in sent]})
    else:
        for photo in refused:
            click.echo(f"refused {photo.refused}", err=True)
        known = sum(photo.duplicate for photo in sent)
        new = len(sent) - len(refused) - known
        click.echo(f"{new} new, {known} there before, {len(refused)} refused")
    if any(photo.fault for photo in sent) or len(refused) == len(sent):
        raise CommandFailed("not everything could be sent" if len(refused) < len(sent) else "nothing was taken")


def _result(photo: SentPhoto) -> dict[str, object]:
    file = printable(photo.path)
    if photo.refused is not None:
        return {"file": file, "error": photo.refused}
    return {"file": file, "id": photo.image_id, "duplicate": photo.duplicate}
