"""The admin password: only its Argon2 hash is held in memory, and one attempt is verified at a time.

The setting may contain such a hash (`$argon2id$...`) instead of the password, so that the password is stored nowhere.
"""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type

_HASH_PREFIX = "$argon2"
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
"""The minimum that OWASP's Password Storage Cheat Sheet advises for Argon2id: 19 MiB for each verification.

A small backend has that much memory left next to its uploads.
"""


def hash_password(secret: str) -> str:
    """Return the Argon2 hash of a password, or `secret` itself if it is such a hash."""
    return secret if secret.startswith(_HASH_PREFIX) else _HASHER.hash(secret)


def is_password_of(secret: str, stored_hash: str) -> bool:
    """Return whether a hash stored at an earlier start belongs to this password or hash. Takes as long as a login."""
    if secret.startswith(_HASH_PREFIX):
        return secret == stored_hash
    try:
        return _HASHER.verify(stored_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


class Password:
    """One password that attempts are compared with."""

    def __init__(self, secret: str) -> None:
        """`secret` is the password or the password's hash. Raises ValueError for an empty value or a damaged hash."""
        if not secret:
            raise ValueError("the admin password must not be empty")
        self._hash = hash_password(secret)
        try:
            _HASHER.check_needs_rehash(self._hash)
        except InvalidHashError as error:
            raise ValueError("the admin password begins like an Argon2 hash, but is not a complete one") from error
        self._one_at_a_time = asyncio.Lock()

    async def verify(self, attempt: str) -> bool:
        """Return whether `attempt` is the password. Takes some hundredths of a second on a thread."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._verify, attempt)

    def _verify(self, attempt: str) -> bool:
        try:
            return _HASHER.verify(self._hash, attempt)
        except VerifyMismatchError:
            return False
        except UnicodeEncodeError:  # lone surrogates, which JSON can spell and no password contains
            return False
