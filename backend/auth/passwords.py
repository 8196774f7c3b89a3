"""The admin's password: kept in memory as its Argon2 hash alone, and checked by one thread at a time.

A setting may hold such a hash instead of the password itself (`$argon2id$...`), so that it lies nowhere at all.
"""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.low_level import Type

PREFIX = "$argon2"
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
"""The least that OWASP advises for Argon2id (its Password Storage Cheat Sheet): 19 MiB for each check, which a
small backend has beside its uploads."""


def is_hash(text: str) -> bool:
    """Whether a setting holds a hash and no password. Raises ValueError for a hash that cannot be read."""
    if not text.startswith(PREFIX):
        return False
    try:
        _HASHER.check_needs_rehash(text)
    except InvalidHashError as error:
        raise ValueError(f"it begins as a hash does ({PREFIX}...) and is none that can be read") from error
    return True


class Password:
    """One password, to compare others with."""

    def __init__(self, secret: str) -> None:
        """`secret` is the password or its hash. Raises ValueError for an empty or damaged one."""
        if not secret:
            raise ValueError("the admin's password must not be empty")
        self._hash = secret if is_hash(secret) else _HASHER.hash(secret)
        self._one_at_a_time = asyncio.Lock()

    async def is_right(self, given: str) -> bool:
        """Whether `given` is the password; takes some hundredths of a second on a thread."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._matches, given)

    def _matches(self, given: str) -> bool:
        try:
            return _HASHER.verify(self._hash, given)
        except VerifyMismatchError:
            return False
        except UnicodeEncodeError:  # halves of surrogate pairs, as JSON may spell them: in no password
            return False
