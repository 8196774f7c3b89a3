"""`slideshow retry`: put failed or stuck photos back into the queue of a running backend."""

from __future__ import annotations

import click

from slideshow.client.access import Access, with_access
from slideshow.output import counted, print_json


@click.command()
@click.option("--failed", "which", flag_value="failed", default=True, help="Retry failed photos. This is the default.")
@click.option(
    "--stuck", "which", flag_value="stuck", help="Retry photos that a task started to render but never reported."
)
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON object.")
@with_access
def retry(which: str, as_json: bool, access: Access) -> None:
    """Put failed or stuck photos back into the queue."""
    from contract.messages.admin import RetryRequest

    with access.client() as client:
        answer = client.retry(RetryRequest(which="stuck" if which == "stuck" else "failed"))
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{counted(answer.retried, 'photo')} {'is' if answer.retried == 1 else 'are'} back in the queue")
