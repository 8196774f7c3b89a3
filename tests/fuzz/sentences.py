"""What all targets agree on: how long inputs are, and what a refusal must look like."""

from __future__ import annotations

NAME = "photo.x"
"""What the targets call every file."""
LONGEST = 32_768
"""Bytes of an input; the good pictures have less."""


DEEP = b"[" * 3000
"""JSON that no reader can follow to its end; Python's own gives up at a thousand."""


def spoken(refusal: Exception, *, start: str = f"{NAME} ", end: str = ".") -> None:
    """AssertionError unless what `refusal` says is a sentence for a person, about the file."""
    said = str(refusal)
    assert said.startswith(start), said
    assert said.endswith(end), said
    assert len(said) > len(start) + len(end), said
    assert "Traceback" not in said, said
