"""Numbers with their nouns, right for one and for many."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 photo`, `2 photos`; for nouns that take an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
