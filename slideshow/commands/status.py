"""`slideshow status`: show the queue and the latest executions of a running backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from slideshow.client.access import Access, with_access
from slideshow.output import counted, print_json

if TYPE_CHECKING:
    from contract.messages.admin import Status


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as one JSON object.")
@with_access
def status(as_json: bool, access: Access) -> None:
    """Show how many photos are pending, processing, complete and failed, and the latest executions."""
    with access.client() as client:
        now = client.status()
        address = client.url
    if as_json:
        print_json(now)
    else:
        click.echo("\n".join(status_lines(now, address)))


def status_lines(now: Status, address: str) -> list[str]:
    """Return the status as lines of text."""
    counts = ", ".join(
        f"{now.images.get(state, 0)} {state}" for state in ("pending", "processing", "complete", "failed")
    )
    lines = [
        f"Backend     {address}",
        f"Bucket      {now.bucket}",
        f"Photos      {counts}",
        f"Variants    {now.variants} for {counted(now.devices, 'frame')}",
    ]
    if now.device_auth == "open":
        lines.append("Frames      need no token (DEVICE_AUTH=open): anyone who reaches the backend can see the photos")
    for run in now.executions[:5]:
        figures = f"{counted(run.tasks, 'task')} for {counted(run.images, 'photo')}"
        if run.finished_at is not None:
            figures += f", {run.finished_at - run.started_at:.1f} s"
        name = f"{run.name} ({run.cloud_execution.rpartition('/')[2]})" if run.cloud_execution else run.name
        lines.append(f"Execution   {name}: {run.state}, {figures}" + (f"; {run.error}" if run.error else ""))
    if now.last_error:
        lines.append(f"Last error  {now.last_error}")
    return lines
