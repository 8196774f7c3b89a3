"""`slideshow serve`: the backend in this process."""

from __future__ import annotations

import os
import sys

import click


@click.command()
@click.option("--data", metavar="DIR", help="Data folder; wins over SLIDESHOW_DATA (.slideshow unless told).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; wins over PORT.")
def serve(data: str | None, port: int | None) -> None:
    """Run the backend until Ctrl-C.

    Everything is set up by environment variables (see docs/operations.md). Without a cloud bucket it
    works out of its data folder, listens on 127.0.0.1, and keeps the password in secrets.json there.
    """
    from backend.__main__ import main as run_backend

    environ = dict(os.environ)
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    if port is not None:
        environ["PORT"] = str(port)
    sys.exit(run_backend(environ))
