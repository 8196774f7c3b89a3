"""`slideshow devices`: the screens that a backend makes pictures for."""

from __future__ import annotations

import click

from slideshow.client.access import Access, with_access
from slideshow.errors import CommandFailed
from slideshow.output import print_json


@click.group()
def devices() -> None:
    """List, add, resize or remove frames: the screens that a backend makes pictures for."""


@devices.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON object.")
@with_access
def list_devices(as_json: bool, access: Access) -> None:
    """List the frames, and how many photos are ready for each."""
    with access.client() as client:
        found = client.devices()
    if as_json:
        print_json(found)
        return
    if not found.devices:
        click.echo('There are no frames yet; "slideshow devices add NAME WxH" adds one.')
    width = max((len(device.name) for device in found.devices), default=0)
    for device in found.devices:
        size = f"{device.width}x{device.height}"
        label = f"  id {device.id}" if device.id != device.name else ""
        click.echo(f"{device.name:{width}}  {size:>9}  {device.orientation:9}  {device.ready} ready{label}")


@devices.command("add")
@click.argument("name")
@click.argument("size", metavar="WxH")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON object.")
@with_access
def add_device(name: str, size: str, as_json: bool, access: Access) -> None:
    """Add a frame, or give one another size.

    For example "slideshow devices add kitchen 800x480": NAME, and width and height of its screen in pixels. All photos
    are then rendered for it. A new frame gets a token, which it has to send with each call; the token is shown once.
    """
    from contract.messages.devices import DeviceBody
    from slideshow.photos.screens import screen

    try:
        wanted = screen(name, size)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    with access.client() as client:
        saved = client.save_device(DeviceBody(name=wanted.name, width=wanted.width, height=wanted.height))
    if as_json:
        print_json(saved)
    elif saved.token is None:
        click.echo(f"{name} is now {wanted.width}x{wanted.height}")
        click.echo(
            "It was there before: its token is the same and cannot be shown again. For a new one, remove the device "
            "and add it again; its pictures are then made anew.",
            err=True,
        )
    else:
        click.echo(f"{name} is added. Its token, shown this once:\n{saved.token}")


@devices.command("remove")
@click.argument("name")
@with_access
def remove_device(name: str, access: Access) -> None:
    """Remove the frame NAME (its name or id), and its pictures."""
    with access.client() as client:
        known = client.devices().devices
        ids = [device.id for device in known if device.id == name] or [d.id for d in known if d.name == name]
        if len(ids) != 1:
            which = f"several devices are called {name!r}; say the id" if ids else f"there is no device {name!r}"
            raise CommandFailed(f'{which} ("slideshow devices list" shows them)')
        client.remove_device(ids[0])
    click.echo(f"{name} is removed")
