"""What a command says when it cannot go on; click prints the sentence to stderr.

::

    CommandFailed          exit code 1
    ├── Unreachable        no backend answers
    ├── Refused            a backend answered, and refused; `status` is its HTTP status
    └── BackendEnded       the backend that the demo started has ended by itself

Wrong use of a command is `click.UsageError`, exit code 2.
"""

from __future__ import annotations

import click


class CommandFailed(click.ClickException):
    """The command could not do its work; the message is a sentence for a person."""

    exit_code = 1


class Unreachable(CommandFailed):
    """Nobody answers, or the answer is none of a slideshow backend."""


class RequestRejected(CommandFailed):
    """The backend's own sentence, and its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class BackendEnded(CommandFailed):
    """The backend ended though nobody asked it to."""
