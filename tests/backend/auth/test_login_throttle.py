"""Login throttling, proxy headers and password hashes."""

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
    network_of,
)
from backend.auth.passwords import Password
from backend.http.middleware import read_proxy_headers, trust_proxy_headers


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


def test_network_of_groups_ipv6_by_64_bits() -> None:
    assert network_of("2001:db8:1:2:3::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("") == network_of("no address") == "unknown"


def test_proxy_headers_last_address_and_scheme_are_trusted() -> None:
    spoofed = [(b"x-forwarded-for", b"1.2.3.4, 198.51.100.1"), (b"x-forwarded-proto", b"https")]
    assert read_proxy_headers(spoofed) == ("https", "198.51.100.1")
    assert read_proxy_headers([(b"x-forwarded-proto", b"javascript"), (b"x-forwarded-for", b"")]) == (None, None)
    received = {}

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        received.update(scope)

    asyncio.run(trust_proxy_headers(app)({"type": "http", "scheme": "http", "headers": spoofed}, None, None))  # type: ignore[arg-type]
    assert (received["scheme"], received["client"]) == ("https", ("198.51.100.1", 0))


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
