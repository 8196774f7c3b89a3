"""The order in which a device shows its photos. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def shuffled(image_ids: Sequence[str], device_key: str) -> list[str]:
    """The ids in an order that looks random, differs between devices and stays when photos are added.

    Each id's place is its hash together with the device, so a new photo slips in somewhere
    without moving the others.
    """
    return sorted(image_ids, key=lambda image_id: hashlib.sha256(f"{device_key}/{image_id}".encode()).digest())


def position_after(order: Sequence[str], shown: str | None, device_key: str) -> int:
    """The index to show after `shown`: 0 at first and after the last; a removed photo counts as where it stood."""
    if shown is None or not order:
        return 0
    if shown in order:
        return (order.index(shown) + 1) % len(order)
    place = shuffled([*order, shown], device_key).index(shown)
    return place % len(order)
