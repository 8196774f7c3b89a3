"""How a command reaches a backend: which one, with which password."""

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
    """The options of `with_access`, put together."""

    def __init__(self, url: str | None, password_file: Path | None, data: Path) -> None:
        self.url = url
        self.password_file = password_file
        self.data = data

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client that is logged in. Raises CommandFailed where there is no backend or the password is wrong."""
        from slideshow.client.http import Client
        from slideshow.client.local_backend import announcement

        url = self.url
        if url is None:
            told = announcement(self.data)
            if told is None:
                raise CommandFailed(
                    f'no backend runs in {self.data.absolute()}; start one with "slideshow serve", '
                    "name its data folder with --data, or a far one with --url"
                )
            url = told.url
        with Client(url) as client:
            try:
                client.log_in(self._password(client))
            except RequestRejected as refusal:
                if refusal.status != _FORBIDDEN:
                    raise
                raise RequestRejected(
                    f"{url}: {refusal.message}; give the right one with --password-file", 403
                ) from refusal
            yield client

    def _password(self, client: Client) -> str:
        """From the file named, or the local data folder, or the person at the terminal."""
        from slideshow.client.local_backend import kept_password

        if self.password_file is not None:
            try:
                password = self.password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise CommandFailed(f"{self.password_file}: the password cannot be read: {error}") from error
            if not password:
                raise CommandFailed(f"{self.password_file} holds no password")
            return password
        if self.url is None:
            return kept_password(self.data)
        if not sys.stdin.isatty():
            raise CommandFailed("there is no terminal to ask for the password; give it with --password-file")
        import getpass

        client.reach()  # nobody should type a password for an address where nobody listens
        return getpass.getpass(f"Password for {self.url}: ", stream=sys.stderr)


def with_access(command: Command) -> Command:
    """Give a command the options that say which backend is meant; it gets them as `access: Access`."""
    from functools import wraps

    @wraps(command)
    def called(*args: object, url: str | None, password_file: Path | None, data: Path, **kwargs: object) -> object:
        return command(*args, access=Access(url, password_file, data), **kwargs)

    for option in (
        click.option(
            "--data",
            metavar="DIR",
            default=DATA,
            envvar="SLIDESHOW_DATA",
            show_default=True,
            type=click.Path(path_type=Path),
            help="Data folder of the backend on this machine; used unless --url is given.",
        ),
        click.option(
            "--password-file",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with the admin password. Without it: from the data folder, or asked for.",
        ),
        click.option("--url", metavar="URL", help="Address of a backend, such as https://photos.example.org."),
    ):
        called = option(called)
    return called  # type: ignore[return-value]
