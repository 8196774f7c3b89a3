"""A page that a command writes piece by piece: one file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from slideshow.errors import CommandFailed


def print_json(message: object) -> None:
    """One JSON object, and nothing else, on stdout."""
    import msgspec

    click.echo(msgspec.json.encode(message).decode())


class HtmlFile:
    """A page that is being written."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path

    def write(self, text: str) -> None:
        """Raises CommandFailed if it cannot be written."""
        with _told(self._path):
            self._file.write(text)


@contextmanager
def writing_html(path: Path, head: str, foot: str) -> Iterator[HtmlFile]:
    """A page that appears at `path` when all is written, from `head` to `foot`, and not at all otherwise.

    Raises CommandFailed if it cannot be written there.
    """
    aside = path.with_name(f".{path.name}-{os.getpid()}.part")
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = aside.open("w", encoding="utf-8")
    try:
        with file:
            page = HtmlFile(file, path)
            page.write(head)
            yield page
            page.write(foot)
            with _told(path):
                file.close()
        with _told(path):
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror or error}") from error
