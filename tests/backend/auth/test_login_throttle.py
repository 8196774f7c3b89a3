"""Login throttling and password hashes."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher

from backend.auth.login_throttle import (
    FIRST_WAIT_SECONDS,
    FREE_ATTEMPTS,
    GLOBAL_ATTEMPTS,
    GLOBAL_SECONDS,
    MAX_NETWORKS,
    MAX_WAIT_SECONDS,
    LoginThrottle,
)
from backend.auth.passwords import Password


def test_login_throttle_wrong_passwords_wait_exponentially() -> None:
    throttle, now, waits = LoginThrottle(), 1000.0, []
    for _ in range(FREE_ATTEMPTS + 14):
        throttle.record_attempt("192.0.2.1", now)
        waits.append(throttle.seconds_to_wait("192.0.2.1", now))
        now += waits[-1]
    assert waits[: FREE_ATTEMPTS - 1] == [0.0] * (FREE_ATTEMPTS - 1)
    assert waits[FREE_ATTEMPTS - 1 : FREE_ATTEMPTS + 2] == [FIRST_WAIT_SECONDS * factor for factor in (1, 2, 4)]
    assert waits[-1] == MAX_WAIT_SECONDS
    assert throttle.seconds_to_wait("192.0.2.2", now) == 0.0
    throttle.record_success("192.0.2.1")
    assert throttle.seconds_to_wait("192.0.2.1", now) == 0.0


def test_login_throttle_global_limit_exempts_trusted_networks() -> None:
    throttle = LoginThrottle()
    throttle.record_success("198.51.100.7")
    for number in range(GLOBAL_ATTEMPTS):
        assert throttle.seconds_to_wait(f"10.0.{number}.1", 1000.0) == 0.0
        throttle.record_attempt(f"10.0.{number}.1", 1000.0)
    assert throttle.seconds_to_wait("203.0.113.9", 1000.0) == GLOBAL_SECONDS
    assert throttle.seconds_to_wait("198.51.100.7", 1000.0) == 0.0
    assert throttle.seconds_to_wait("203.0.113.9", 1000.0 + GLOBAL_SECONDS) == 0.0


def test_login_throttle_memory_is_bounded() -> None:
    throttle = LoginThrottle()
    for number in range(MAX_NETWORKS + 50):
        throttle.record_attempt(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
        throttle.record_success(f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(throttle._failures) == len(throttle._trusted) == MAX_NETWORKS


@pytest.mark.parametrize("hashed", [False, True], ids=["password", "hash"])
def test_password_plain_or_hash_verifies_attempts(hashed: bool) -> None:
    secret = PasswordHasher(time_cost=1, memory_cost=64).hash("a password") if hashed else "a password"

    async def compare() -> list[bool]:
        password = Password(secret)
        assert "a password" not in repr(vars(password))
        return [await password.verify(attempt) for attempt in ("a password", "another", "", secret + "x", "\ud800")]

    assert asyncio.run(compare()) == [True, False, False, False, False]


@pytest.mark.parametrize("secret", ["", "$argon2id$v=19$nonsense", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA"])
def test_password_empty_or_damaged_hash_is_rejected(secret: str) -> None:
    with pytest.raises(ValueError, match=r"not a complete one|must not be empty"):
        Password(secret)
