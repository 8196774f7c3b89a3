"""Options that select the backend of a command, and the login."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from slideshow.errors import CommandFailed, RequestRejected

if TYPE_CHECKING:
    from slideshow.client.http import Client

Command = TypeVar("Command", bound=Callable[..., object])

DATA = ".slideshow"
_FORBIDDEN = 403


class Access:
    """The values of the options that `with_access` adds."""

    def __init__(self, url: str | None, password_file: Path | None, data: Path) -> None:
        self.url = url
        self.password_file = password_file
        self.data = data

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Yield a logged-in client.

        Raises:
            CommandFailed: No backend runs there, or the password is wrong.
        """
        from slideshow.client.http import Client
        from slideshow.client.local_backend import announcement

        url = self.url
        if url is None:
            announced = announcement(self.data)
            if announced is None:
                raise CommandFailed(
                    f'no backend runs in {self.data.absolute()}; start one with "slideshow serve", '
                    "or select another one with --data (on this machine) or --url (remote)"
                )
            url = announced.url
        with Client(url) as client:
            try:
                client.log_in(self._password(client))
            except RequestRejected as rejection:
                if rejection.status != _FORBIDDEN:
                    raise
                raise RequestRejected(
                    f"{url}: {rejection.message}; pass the right one with --password-file", 403
                ) from rejection
            yield client

    def _password(self, client: Client) -> str:
        """Return the password from the named file, the local data folder, or the terminal."""
        from slideshow.client.local_backend import stored_password

        if self.password_file is not None:
            try:
                password = self.password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise CommandFailed(f"{self.password_file}: the password cannot be read: {error}") from error
            if not password:
                raise CommandFailed(f"{self.password_file} contains no password")
            return password
        if self.url is None:
            return stored_password(self.data)
        if not sys.stdin.isatty():
            raise CommandFailed("the password cannot be requested without a terminal; pass it with --password-file")
        import getpass

        client.reach()  # fail before the person types a password for an address without a backend
        return getpass.getpass(f"Password for {self.url}: ", stream=sys.stderr)


def with_access(command: Command) -> Command:
    """Add the options that select a backend. The command receives them as `access: Access`."""
    from functools import wraps

    @wraps(command)
    def wrapper(*args: object, url: str | None, password_file: Path | None, data: Path, **kwargs: object) -> object:
        return command(*args, access=Access(url, password_file, data), **kwargs)

    for option in (
        click.option(
            "--data",
            metavar="DIR",
            default=DATA,
            envvar="SLIDESHOW_DATA",
            show_default=True,
            type=click.Path(path_type=Path),
            help="Data folder of a backend on this machine. Ignored with --url.",
        ),
        click.option(
            "--password-file",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File that contains the admin password. Without it, the password is read from the data folder "
            "or requested on the terminal.",
        ),
        click.option("--url", metavar="URL", help="Address of a backend, e.g. https://photos.example.org."),
    ):
        wrapper = option(wrapper)
    return wrapper  # type: ignore[return-value]
