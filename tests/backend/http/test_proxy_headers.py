"""The peers whose `X-Forwarded-For` counts, and the entry that is the client."""

from __future__ import annotations

import pytest

from backend.http.proxy_headers import TrustedProxies, network_of, parse_networks


def forwarded(*entries: str, scheme: str | None = None) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-forwarded-for", entry.encode("latin-1")) for entry in entries]
    return headers if scheme is None else [*headers, (b"x-forwarded-proto", scheme.encode("latin-1"))]


def test_trusts_listed_peers_only() -> None:
    proxies = TrustedProxies(parse_networks("127.0.0.1 10.0.0.0/8 fd00::/8"))
    assert [proxies.trusts(peer) for peer in ("127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "fd00::1")] == [True] * 4
    assert [proxies.trusts(peer) for peer in ("127.0.0.2", "11.0.0.1", "fe80::1%eth0", "", "unix")] == [False] * 5
    assert not TrustedProxies().trusts("127.0.0.1")
    assert TrustedProxies(every_peer=True).trusts("169.254.1.1")


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # the client sent the first one itself
        (["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
        (["1.2.3.4, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),  # two trusted proxies in a row
        (["10.0.0.9"], "10.0.0.9"),  # a client in the network of the proxies
        (["198.51.100.1, 10.0.0.7, nonsense"], None),
        (["1.2.3.4, nonsense, 10.0.0.7"], "10.0.0.7"),
        (["2001:db8::1"], "2001:db8::1"),
        ([""], None),
        ([], None),
        (["1.2.3.4, " + "10.0.0.1, " * 40 + "10.0.0.2"], "10.0.0.1"),
    ],
)
def test_client_is_the_last_entry_that_no_proxy_has(entries: list[str], client: str | None) -> None:
    assert TrustedProxies(parse_networks("10.0.0.0/8")).read(forwarded(*entries))[1] == client


def test_cloud_run_takes_the_last_entry() -> None:
    assert TrustedProxies(every_peer=True).read(forwarded("1.2.3.4, 198.51.100.1", scheme="https")) == (
        "https",
        "198.51.100.1",
    )


def test_only_schemes_of_http_count() -> None:
    proxies = TrustedProxies(every_peer=True)
    assert [proxies.read(forwarded(scheme=scheme))[0] for scheme in ("https", "HTTP", "javascript", "")] == [
        "https",
        "http",
        None,
        None,
    ]


def test_invalid_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"invalid address or network '10\.0\.0\.0/33'"):
        parse_networks("127.0.0.1 10.0.0.0/33")


def test_network_of_groups_ipv6_by_64_bits() -> None:
    assert network_of("2001:db8:1:2:3::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("") == network_of("no address") == "unknown"
