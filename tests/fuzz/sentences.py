"""Shared by all targets: the length limit of inputs, and the form of error messages."""

from __future__ import annotations

NAME = "photo.x"
"""File name of every input."""
MAX_INPUT_BYTES = 32_768
"""Length limit of an input; the valid images are shorter."""
DEEP = b"[" * 3000
"""JSON nested deeper than readers accept; Python's own reader stops at a depth of about 1000."""


def check_message(error: Exception, *, start: str = f"{NAME} ", end: str = ".") -> None:
    """Raise AssertionError unless the message of `error` is a sentence with this start and end."""
    message = str(error)
    assert message.startswith(start), message
    assert message.endswith(end), message
    assert len(message) > len(start) + len(end), message
    assert "Traceback" not in message, message
