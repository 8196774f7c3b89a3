"""`slideshow logout-everywhere`: end all logins of a running backend."""

from __future__ import annotations

import click

from slideshow.client.access import Access, with_access
from slideshow.output import counted, print_json


@click.command("logout-everywhere")
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON object.")
@with_access
def logout_everywhere(as_json: bool, access: Access) -> None:
    """End the logins of all browsers and programs, for example after a device was lost.

    Everybody has to log in again. Frames keep their tokens: "slideshow devices renew-token" ends one of them.
    A change of the password ends all logins as well.
    """
    with access.client() as client:
        answer = client.log_out_everywhere()
    if as_json:
        print_json(answer)
    else:
        click.echo(f"ended {counted(answer.ended, 'login')}")
