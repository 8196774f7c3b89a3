"""Split screens: two photos of the other orientation share a screen, side by side or one above the other.

Each half is a render target with a key of its own, so tasks render it like any other variant.
The key contains a slash, which no device name may contain, so it never collides with a device.
"""

from __future__ import annotations

from contract.messages.processing import orientation_of

HALF = "/half"
"""Suffix that turns a device's key into the key of its half."""
MAX_SHAPE = 2.4
"""Largest ratio of sides of a screen that is split. The halves of a longer screen would not suit the photos better."""


def split_key(device_key: str) -> str:
    """Return the key of a device's half, the `deviceSize` of its results."""
    return f"{device_key}{HALF}"


def split_size(width: int, height: int, gutter: int) -> tuple[int, int] | None:
    """Return the size of each half of a screen, or None if the screen is not split.

    The longer side is divided. A screen is not split if it is square, longer than `MAX_SHAPE`, or filled by the gutter.

    Args:
        width: Width of the screen in pixels.
        height: Height of the screen in pixels.
        gutter: Pixels between the two photos.

    Returns:
        (width, height) in pixels, or None.
    """
    longer, shorter = max(width, height), min(width, height)
    divided = (longer - gutter) // 2
    if orientation_of(width, height) == "square" or longer > MAX_SHAPE * shorter or divided < 1:
        return None
    return (divided, height) if width > height else (width, divided)
