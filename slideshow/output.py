"""Output of commands: JSON, progress, numbers with nouns, and HTML pages that are written piece by piece."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from slideshow.errors import CommandFailed


def counted(number: int, noun: str) -> str:
    """Return the number with its noun, such as `1 photo` or `2 photos`, for nouns with a plural in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(message: object) -> None:
    """Print one JSON object to stdout."""
    import msgspec

    click.echo(msgspec.json.encode(message).decode())


def show_progress(sentence: str) -> None:
    """Replace the progress line on a terminal. An empty sentence removes the line."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{sentence}", nl=False, err=True)


@contextmanager
def writing_html(path: Path, head: str, foot: str) -> Iterator[Callable[[str], None]]:
    """Write an HTML page from `head` to `foot`, and yield the function that appends to it.

    The page appears at `path` when it is complete, and does not appear if the block raises.

    Raises:
        CommandFailed: The page cannot be written.
    """
    unfinished = path.with_name(f".{path.name}-{os.getpid()}.part")
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("w", encoding="utf-8")

    def write(text: str) -> None:
        with _naming(path):
            file.write(text)

    try:
        with file:
            write(head)
            yield write
            write(foot)
            with _naming(path):
                file.close()
        with _naming(path):
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an OSError into a CommandFailed that names the page."""
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror or error}") from error
