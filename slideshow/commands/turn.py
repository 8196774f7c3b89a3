"""`slideshow turn`: turn photos of a running backend by 90, 180 or 270 degrees."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from slideshow.client.access import Access, with_access
from slideshow.output import counted, print_json

if TYPE_CHECKING:
    from contract.messages.admin import ImageInfo

BATCH = 1000
"""Photos per request."""
_ID = re.compile(r"[0-9a-f]{32}")


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@click.option(
    "--by",
    type=click.Choice(["90", "180", "270"]),
    default="90",
    show_default=True,
    help="Degrees clockwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON object.")
@with_access
def turn(photos: tuple[str, ...], by: str, as_json: bool, access: Access) -> None:
    """Turn photos clockwise. Their pictures are rendered again; the old ones are shown until then.

    PHOTO is the id of a photo or the name of its file, as the backend shows them.
    """
    from contract.messages.admin import TurnRequest

    with access.client() as client:
        ids = chosen_ids(photos, client.images())
        turned = sum(
            client.turn(TurnRequest(ids=tuple(ids[start : start + BATCH]), quarters=int(by) // 90)).turned
            for start in range(0, len(ids), BATCH)
        )
    if as_json:
        print_json({"turned": turned})
    else:
        click.echo(f"turned {counted(turned, 'photo')} by {by} degrees")


def chosen_ids(wanted: Sequence[str], images: Iterable[ImageInfo]) -> list[str]:
    """Return the ids of the photos with these ids or file names, each once.

    Raises:
        click.UsageError: A photo does not exist, or several have the same name.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    known = set()
    for image in images:
        by_name[image.filename].append(image.id)
        known.add(image.id)
    ids: dict[str, None] = {}
    for text in wanted:
        if _ID.fullmatch(text) and text in known:
            ids[text] = None
            continue
        found = by_name.get(text, [])
        if not found:
            raise click.UsageError(f"there is no photo {text!r}; use the name of its file, or its id.")
        if len(found) > 1:
            raise click.UsageError(f"{len(found)} photos are called {text!r}; use one of the ids {', '.join(found)}.")
        ids[found[0]] = None
    return list(ids)
