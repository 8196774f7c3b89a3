"""`slideshow upload`: upload photos to a running backend."""

from __future__ import annotations

from pathlib import Path

import click

from slideshow.client.access import Access, with_access
from slideshow.client.uploads import SentPhoto, send_all
from slideshow.errors import CommandFailed
from slideshow.output import counted, print_json, show_progress
from slideshow.photos.files import chosen_photos, printable


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside folders. On by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for each file as one JSON object.")
@with_access
def upload(paths: tuple[Path, ...], recurse: bool, as_json: bool, access: Access) -> None:
    """Upload photos to a backend, which starts to render them within half a minute.

    PATH is a photo or a folder. A photo that the backend already has is not stored again. Of a camera raw file that
    is larger than the backend's upload limit, the JPEG that the camera embedded is sent.
    """
    files = chosen_photos(paths, recurse=recurse)
    with access.client() as client:
        sent = send_all(
            client,
            files,
            lambda number, rejected: show_progress(f"sent {number} of {len(files)}, {rejected} rejected"),
        )
    show_progress("")
    rejected = [photo for photo in sent if photo.rejected is not None]
    if as_json:
        print_json({"results": [_result(photo) for photo in sent]})
    else:
        for photo in rejected:
            click.echo(f"rejected {photo.rejected}", err=True)
        for photo in sent:
            if photo.embedded_jpeg:
                click.echo(f"{printable(photo.path)}: too large; its embedded JPEG was sent", err=True)
        duplicates = sum(photo.duplicate for photo in sent)
        new = len(sent) - len(rejected) - duplicates
        click.echo(f"{new} new, {counted(duplicates, 'duplicate')}, {len(rejected)} rejected")
    if len(rejected) == len(sent):
        raise CommandFailed("no photo was accepted")
    if any(photo.system_error for photo in sent):
        raise CommandFailed("some photos could not be sent; run the same command again")


def _result(photo: SentPhoto) -> dict[str, object]:
    file = printable(photo.path)
    if photo.rejected is not None:
        return {"file": file, "error": photo.rejected}
    result: dict[str, object] = {"file": file, "id": photo.image_id, "duplicate": photo.duplicate}
    return result | {"embeddedJpeg": True} if photo.embedded_jpeg else result
