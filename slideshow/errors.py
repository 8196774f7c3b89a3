"""Errors that end a command. click prints the message to stderr.

::

    CommandFailed          exit code 1
    ├── Unreachable        no backend answers at the address
    ├── RequestRejected    a backend answered with an error; `status` is the HTTP status
    └── BackendEnded       the backend process that the command started ended unexpectedly

Wrong usage of a command is `click.UsageError`, exit code 2.
"""

from __future__ import annotations

import click


class CommandFailed(click.ClickException):
    """The command could not do its work. The message is a sentence for a person."""

    exit_code = 1


class Unreachable(CommandFailed):
    """No server answers, or the server is not a slideshow backend."""


class RequestRejected(CommandFailed):
    """The backend rejected a request. The message is the backend's own sentence."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class BackendEnded(CommandFailed):
    """The backend process ended unexpectedly. The message includes the end of its log."""
