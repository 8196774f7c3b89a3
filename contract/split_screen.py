"""Half pictures: two photos of the other orientation share a screen, side by side or one above the other.

A half is a target of its own with its own key, so that tasks make it as any other picture. Its key holds a
slash, which no device's name may, so it is nobody's device.
"""

from __future__ import annotations

from contract.messages.processing import Orientation, orientation_of

HALF = "/half"
"""What follows a device's key in that of its half."""
MAX_SHAPE = 2.4
"""Screens longer than that have halves that would suit the other orientation no better than the whole."""


def half_key(device_key: str) -> str:
    """The key of a device's half, which results call `deviceSize`."""
    return f"{device_key}{HALF}"


def is_half(key: str) -> bool:
    """Whether this is the key of a half."""
    return key.endswith(HALF)


def half_size(width: int, height: int, gap: int) -> tuple[int, int] | None:
    """(width, height) in pixels of each half of a screen with `gap` pixels between them; None if it has no halves.

    The longer side is divided. A square screen has none, nor has one that is very long, or all gap.
    """
    longer, shorter = max(width, height), min(width, height)
    divided = (longer - gap) // 2
    if orientation_of(width, height) == "square" or longer > MAX_SHAPE * shorter or divided < 1:
        return None
    return (divided, height) if width > height else (width, divided)


def half_orientation(width: int, height: int) -> Orientation | None:
    """The orientation of photos that can be a half of this screen; None if none can."""
    return {"landscape": "portrait", "portrait": "landscape"}.get(orientation_of(width, height))  # type: ignore[return-value]
