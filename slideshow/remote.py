"""`slideshow upload`, `status` and `retry`: what a person asks of a running backend."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slideshow.errors import CommandFailed
from slideshow.reading import printable
from slideshow.remote_access import Access, with_access
from slideshow.words import counted

if TYPE_CHECKING:
    from contract.messages.admin import Status
    from slideshow.demo_run import SentPhoto


def print_json(message: object) -> None:
    """One JSON object, and nothing else, on stdout."""
    import msgspec

    click.echo(msgspec.json.encode(message).decode())


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--recurse/--no-recurse", default=True, help="Search folders inside of folders, too (the default).")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each file as one JSON object.")
@with_access
def upload(paths: tuple[Path, ...], recurse: bool, as_json: bool, access: Access) -> None:
    """Send photos to a backend. It renders them by itself, half a minute later at most.

    PATH is a photo or a folder. Photos that the backend has already are not kept twice.
    """
    from slideshow.demo_run import send_all
    from slideshow.photo_files import find_photos, no_photos_sentence

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


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as one JSON object.")
@with_access
def status(as_json: bool, access: Access) -> None:
    """Show how many photos wait, are in work and are done, and the latest executions (runs of the tasks)."""
    with access.client() as client:
        now = client.status()
        address = client.url
    if as_json:
        print_json(now)
    else:
        click.echo("\n".join(status_lines(now, address)))


def status_lines(now: Status, address: str) -> list[str]:
    """A status in words."""
    counts = ", ".join(
        f"{now.images.get(state, 0)} {state}" for state in ("pending", "processing", "complete", "failed")
    )
    lines = [
        f"Backend     {address}",
        f"Bucket      {now.bucket}",
        f"Photos      {counts}",
        f"Pictures    {now.variants} for {counted(now.devices, 'device')}",
    ]
    if now.device_auth == "open":
        lines.append("Frames      need no token (DEVICE_AUTH=open): whoever reaches the backend may see the pictures")
    for run in now.executions[:5]:
        figures = f"{counted(run.tasks, 'task')}, started for {counted(run.images, 'photo')}"
        if run.finished_at is not None:
            figures += f", {run.finished_at - run.started_at:.1f} s"
        name = f"{run.name} ({run.cloud_execution.rpartition('/')[2]})" if run.cloud_execution else run.name
        lines.append(f"Execution   {name}: {run.state}, {figures}" + (f"; {run.error}" if run.error else ""))
    if now.last_error:
        lines.append(f"Last error  {now.last_error}")
    return lines


@click.command()
@click.option(
    "--failed",
    "which",
    flag_value="failed",
    default=True,
    help="Photos that failed. This is what happens without an option, too.",
)
@click.option("--stuck", "which", flag_value="stuck", help="Instead, photos that a task has begun and never reported.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON object.")
@with_access
def retry(which: str, as_json: bool, access: Access) -> None:
    """Put photos back into the queue."""
    from contract.messages.admin import RetryRequest

    with access.client() as client:
        answer = client.retry(RetryRequest(which="stuck" if which == "stuck" else "failed"))
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{counted(answer.retried, 'photo')} {'is' if answer.retried == 1 else 'are'} back in the queue")
