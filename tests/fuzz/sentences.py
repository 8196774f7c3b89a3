"""Common rules of all targets: the size of inputs, and the form of error messages."""

from __future__ import annotations

NAME = "photo.x"
"""Name of every file in the targets."""
MAX_INPUT_BYTES = 32_768
"""Maximum size of an input; the good pictures are smaller."""
DEEP = b"[" * 3000
"""JSON that is nested too deeply for any reader; Python's own gives up at a depth of a thousand."""


def check_message(error: Exception, *, start: str = f"{NAME} ", end: str = ".") -> None:
    """Assert that the message of `error` is a sentence for people, about the file."""
    message = str(error)
    assert message.startswith(start), message
    assert message.endswith(end), message
    assert len(message) > len(start) + len(end), message
    assert "Traceback" not in message, message
