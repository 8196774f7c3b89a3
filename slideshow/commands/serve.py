"""`slideshow serve`: run the backend in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from slideshow.client.local_data import with_data_folder


@click.command()
@with_data_folder
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. Overrides PORT.")
def serve(data: str | None, port: int | None) -> None:
    """Run the backend until Ctrl-C.

    It is configured by environment variables (see docs/settings.md). Without a cloud bucket it stores
    everything in its data folder, listens on 127.0.0.1, and generates a password, which is in
    secrets.json of that folder.
    """
    from backend.__main__ import main as run_backend

    environ = dict(os.environ)
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    if port is not None:
        environ["PORT"] = str(port)
    hint = password_hint(environ)
    if hint is not None:
        click.echo(hint, err=True)
    sys.exit(run_backend(environ))


def password_hint(environ: Mapping[str, str]) -> str | None:
    """Return where the generated password is, or None if it is not generated or the settings are invalid."""
    from backend.settings import SettingsError, read_settings

    try:
        settings = read_settings(environ)
    except SettingsError:  # the backend reports the errors when it starts
        return None
    if not settings.embedded or settings.admin_password:
        return None
    return f"the password is in {settings.data_folder.absolute() / 'secrets.json'}"
