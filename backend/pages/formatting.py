"""Format numbers, times and sizes for people. Pure; times are UTC, and the browser shows local time instead."""

from __future__ import annotations

from datetime import UTC, datetime


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 photo`, `12,345 photos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(seconds: float) -> str:
    """Return seconds since the epoch as `2026-11-24 12:30`, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def size(number: int) -> str:
    """Return a number of bytes as `3.1 MB`."""
    if number < 1000:
        return f"{number} bytes"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if number < factor * 999.5:
            return f"{number / factor:.3g} {unit}"
    return f"{number / 1e9:.3g} GB"


def duration(seconds: float) -> str:
    """Return a duration in two or three digits: `340 ms`, `2.4 s`, `3 min`, `5 h`, `2 days`."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def ago(then: float, now: float) -> str:
    """Return the time between `then` and `now` as `3 min ago`."""
    return "just now" if now - then < 1 else f"{duration(now - then)} ago"
