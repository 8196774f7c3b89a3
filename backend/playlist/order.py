"""An order that looks random and is always the same for the same round. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def shuffled(image_ids: Iterable[str], seed: str, epoch: int) -> list[str]:
    """The ids in the order of this seed and round, however they come.

    Each one's place is its hash together with seed and round, so that a photo that is added or goes moves no other.
    """
    salt = f"{seed}/{epoch}/".encode()
    return sorted(image_ids, key=lambda image_id: hashlib.blake2b(salt + image_id.encode(), digest_size=16).digest())


def woven(new: list[tuple[str, ...]], others: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """New entries come soon: they take every second place from the first on, until all have one."""
    shared = min(len(new), len(others))
    mixed = [entry for both in zip(new, others, strict=False) for entry in both]
    return mixed + new[shared:] + others[shared:]
