"""`slideshow devices`: manage the frames of a backend. The API calls a frame a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from slideshow.client.access import Access, with_access
from slideshow.errors import CommandFailed
from slideshow.output import print_json

if TYPE_CHECKING:
    from slideshow.client.http import Client


@click.group()
def devices() -> None:
    """List, add, resize or remove frames, and renew their tokens. The backend renders every photo for every frame."""


@devices.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON object.")
@with_access
def list_devices(as_json: bool, access: Access) -> None:
    """List the frames with their sizes, and how many photos are ready for each."""
    with access.client() as client:
        response = client.devices()
    if as_json:
        print_json(response)
        return
    if not response.devices:
        click.echo('There are no frames yet; add one with "slideshow devices add NAME WxH".')
    width = max((len(device.name) for device in response.devices), default=0)
    for device in response.devices:
        size = f"{device.width}x{device.height}"
        label = f"  id {device.id}" if device.id != device.name else ""
        click.echo(f"{device.name:{width}}  {size:>9}  {device.orientation:9}  {device.ready} ready{label}")


@devices.command("add")
@click.argument("name")
@click.argument("size", metavar="WxH")
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON object.")
@with_access
def add_device(name: str, size: str, as_json: bool, access: Access) -> None:
    """Add a frame, or change the size of an existing one.

    NAME is its name, WxH the width and height of its screen in pixels. Example: "slideshow devices add
    kitchen 800x480". All photos are then rendered for the frame. A new frame gets a token, which it must
    send with every request. The token is shown only once.
    """
    from contract.messages.devices import DeviceBody
    from slideshow.photos.screens import screen

    try:
        device = screen(name, size)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    with access.client() as client:
        saved = client.save_device(DeviceBody(name=device.name, width=device.width, height=device.height))
    if as_json:
        print_json(saved)
    elif saved.token is None:
        click.echo(f"resized {name} to {device.width}x{device.height}")
        click.echo(
            "The token of an existing frame does not change and cannot be shown again. "
            f'"slideshow devices renew-token {name}" replaces it.',
            err=True,
        )
    else:
        click.echo(f"added {name}. Its token, which is shown only once:\n{saved.token}")


@devices.command("renew-token")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON object.")
@with_access
def renew_token(name: str, as_json: bool, access: Access) -> None:
    """Give the frame NAME (its name or id) another token, for example because the frame was stolen.

    The former token and all addresses of pictures that the frame received become invalid. No photo is rendered
    again. The token is shown only once.
    """
    with access.client() as client:
        saved = client.renew_token(_id_of(client, name))
    if as_json:
        print_json(saved)
    else:
        click.echo(f"The new token of {name}, which is shown only once:\n{saved.token}")


@devices.command("remove")
@click.argument("name")
@with_access
def remove_device(name: str, access: Access) -> None:
    """Remove the frame NAME (its name or id) and everything rendered for it."""
    with access.client() as client:
        client.remove_device(_id_of(client, name))
    click.echo(f"removed {name}")


def _id_of(client: Client, name: str) -> str:
    """Return the id of the frame with this name or id. Raises CommandFailed."""
    known = client.devices().devices
    ids = [device.id for device in known if device.id == name] or [d.id for d in known if d.name == name]
    if len(ids) != 1:
        problem = f"several frames are called {name!r}; pass the id" if ids else f"there is no frame {name!r}"
        raise CommandFailed(f'{problem} ("slideshow devices list" shows them)')
    return ids[0]
