"""`slideshow serve`: the backend in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click


@click.command()
@click.option("--data", metavar="DIR", help="Data folder, in place of SLIDESHOW_DATA or of .slideshow.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on, in place of PORT.")
def serve(data: str | None, port: int | None) -> None:
    """Run the backend until Ctrl-C.

    Everything is set up by environment variables (see docs/settings.md). Without a cloud bucket it
    works out of its data folder, listens on 127.0.0.1, and keeps the password in secrets.json there.
    """
    from backend.__main__ import main as run_backend

    environ = dict(os.environ)
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    if port is not None:
        environ["PORT"] = str(port)
    sentence = where_the_password_is(environ)
    if sentence is not None:
        click.echo(sentence, err=True)
    sys.exit(run_backend(environ))


def where_the_password_is(environ: Mapping[str, str]) -> str | None:
    """For embedded mode, where nobody set a password; None elsewhere, and for settings that stop the backend."""
    from backend.settings import SettingsError, read_settings

    try:
        settings = read_settings(environ)
    except SettingsError:  # the backend itself says which, in a moment
        return None
    if not settings.embedded or settings.admin_password:
        return None
    return f"the password is kept in {settings.data_folder.absolute() / 'secrets.json'}"
