"""Guessing a password gets slower, for one caller and for all strangers together, and takes no more memory."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher

from backend.auth.login_throttle import (
    ALL_SECONDS,
    ALL_TRIES,
    FIRST_WAIT_SECONDS,
    FREE_TRIES,
    MAX_ADDRESSES,
    MAX_WAIT_SECONDS,
    LoginThrottle,
    network_of,
)
from backend.auth.passwords import Password, is_hash
from backend.http.proxy_headers import behind_platform, seen_by_platform


def test_who_guesses_waits_longer_each_time() -> None:
    pace, now, waits = LoginThrottle(), 1000.0, []
    for _ in range(FREE_TRIES + 14):
        pace.tries("192.0.2.1", now)
        waits.append(pace.wait("192.0.2.1", now))
        now += waits[-1]
    assert waits[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert waits[FREE_TRIES - 1 : FREE_TRIES + 2] == [FIRST_WAIT_SECONDS * factor for factor in (1, 2, 4)]
    assert waits[-1] == MAX_WAIT_SECONDS
    assert pace.wait("192.0.2.2", now) == 0.0
    pace.succeeded("192.0.2.1")
    assert pace.wait("192.0.2.1", now) == 0.0


def test_many_strangers_together_have_to_wait_and_who_was_here_before_does_not() -> None:
    pace = LoginThrottle()
    pace.succeeded("198.51.100.7")
    for number in range(ALL_TRIES):
        assert pace.wait(f"10.0.{number}.1", 1000.0) == 0.0
        pace.tries(f"10.0.{number}.1", 1000.0)
    assert pace.wait("203.0.113.9", 1000.0) == ALL_SECONDS
    assert pace.wait("198.51.100.7", 1000.0) == 0.0
    assert pace.wait("203.0.113.9", 1000.0 + ALL_SECONDS) == 0.0


def test_memory_is_bounded_and_one_house_is_one_caller() -> None:
    pace = LoginThrottle()
    for number in range(MAX_ADDRESSES + 50):
        pace.tries(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
        pace.succeeded(f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(pace._failures) == len(pace._trusted) == MAX_ADDRESSES
    assert network_of("2001:db8:1:2:3::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("") == network_of("no address") == "unknown"


def test_the_platforms_word_is_the_last_address_and_its_own_scheme() -> None:
    spoofed = [(b"x-forwarded-for", b"1.2.3.4, 198.51.100.1"), (b"x-forwarded-proto", b"https")]
    assert seen_by_platform(spoofed) == ("https", "198.51.100.1")
    assert seen_by_platform([(b"x-forwarded-proto", b"javascript"), (b"x-forwarded-for", b"")]) == (None, None)
    seen = {}

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        seen.update(scope)

    asyncio.run(behind_platform(app)({"type": "http", "scheme": "http", "headers": spoofed}, None, None))  # type: ignore[arg-type]
    assert (seen["scheme"], seen["client"]) == ("https", ("198.51.100.1", 0))


@pytest.mark.parametrize("hashed", [False, True], ids=["password", "hash"])
def test_a_password_or_its_hash_is_compared(hashed: bool) -> None:
    secret = PasswordHasher(time_cost=1, memory_cost=64).hash("a password") if hashed else "a password"

    async def compare() -> list[bool]:
        password = Password(secret)
        assert "a password" not in repr(vars(password))
        return [await password.is_right(given) for given in ("a password", "another", "", secret + "x", "\ud800")]

    assert asyncio.run(compare()) == [True, False, False, False, False]


def test_a_damaged_hash_is_told_and_no_password_is_refused() -> None:
    assert not is_hash("a password")
    with pytest.raises(ValueError, match="none that can be read"):
        is_hash("$argon2id$v=19$nonsense")
    with pytest.raises(ValueError, match="must not be empty"):
        Password("")
