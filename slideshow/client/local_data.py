"""Direct access to a backend's settings, data folder and database, for commands that work on them themselves.

The images of the backend run these commands, so this module imports neither httpx nor rich.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from slideshow.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from backend.settings import Settings

Command = TypeVar("Command", bound="Callable[..., object]")

# Required settings that these commands do not use: they access only the bucket and the database.
_UNUSED = {"PROCESSOR_AUTH_TOKEN": "not used " * 4, "ADMIN_PASSWORD": "not used here"}


def with_data_folder(command: Command) -> Command:
    """Add the option `--data`, which the command receives as `data: str | None`."""
    return click.option("--data", metavar="DIR", help="Data folder. Overrides SLIDESHOW_DATA (default: .slideshow).")(
        command
    )


def read_settings_of(data: str | None) -> Settings:
    """Read the backend's settings as `slideshow serve` does.

    Raises:
        CommandFailed: A setting is wrong (the message names each one), or the data folder is missing.
    """
    from backend.settings import SettingsError, read_settings

    environ = {**os.environ, **_UNUSED}
    if data is not None:
        environ["SLIDESHOW_DATA"] = data
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        raise CommandFailed(str(error)) from error
    if settings.embedded and not settings.data_folder.is_dir():
        raise CommandFailed(f"there is no data folder {settings.data_folder}; select another one with --data")
    return settings


@contextlib.contextmanager
def locked_data_folder(settings: Settings, why: str) -> Iterator[None]:
    """Keep a backend from starting in the data folder.

    Raises:
        CommandFailed: A backend runs there; the message gives `why` it must be stopped.
    """
    from backend.embedded import lock_data_folder

    if not settings.embedded:
        yield
        return
    try:
        with lock_data_folder(settings.data_folder):
            yield
    except BlockingIOError:
        raise CommandFailed(f"a backend runs in {settings.data_folder}; stop it first: {why}") from None


@contextlib.contextmanager
def explaining_errors(problem: str) -> Iterator[None]:
    """Raise CommandFailed, with `problem` and the reason, for errors of bucket, database and files."""
    from sqlalchemy.exc import SQLAlchemyError

    from backend.durability.record_reader import UnreadableRecord
    from contract.bucket.port import BucketError

    try:
        yield
    except (BucketError, SQLAlchemyError, UnreadableRecord, OSError, ValueError) as error:
        raise CommandFailed(f"{problem}: {error}") from error


def backend_may_run(settings: Settings) -> bool:
    """Return False if no backend can be using this database right now."""
    if not settings.embedded:
        return True
    try:
        with locked_data_folder(settings, "nothing is changed"):
            return False
    except CommandFailed:
        return True


def database_file(settings: Settings) -> Path | None:
    """Return the file of a SQLite database, or None for any other database."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
