"""Requests that no regular client sends: mutated or invented forms, JSON, headers, cookies and paths.

Each gets a response below 500, and the server stays healthy.
"""

from __future__ import annotations

import contextlib
import json
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import server, small_photos

pytestmark = pytest.mark.server

ANSWER_SECONDS = 20.0
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=1500)

JSON_PATHS = (
    ("POST", "/login"),
    ("POST", "/api/devices"),
    ("PUT", "/api/devices/frame"),
    ("POST", "/api/admin/retry"),
    ("PUT", "/api/images/{image}/focus"),
    ("POST", "/api/processing/claims"),
    ("POST", "/api/processing/claims/renew"),
    ("POST", "/api/processed-images"),
    ("POST", "/api/processing-attempts/{image}/start"),
    ("PATCH", "/api/images/{image}/failed"),
)
NAMES = [
    "name",
    "width",
    "height",
    "id",
    "orientation",
    "pairing",
    "gap",
    "filters",
    "intervalSeconds",
    "password",
    "which",
    "ids",
    "owner",
    "attempt",
    "shard",
    "shards",
    "limit",
    "claimId",
    "claim_id",
    "leases",
    "images",
    "outcomes",
    "imageId",
    "deviceSize",
    "filePath",
    "colorPalette",
    "allColors",
    "lease",
    "error",
    "strike",
    "recipe",
    "x",
    "y",
    "focus",
    "rendererVersion",
    "histogram",
]

odd_text = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["frame", "\x00", "../../etc/passwd", "é" * 200, "#112233", "processed/frame/x.jpg", "a" * 5000]),
)
numbers = st.one_of(st.integers(), st.integers(-3, 3), st.floats(), st.sampled_from([2**63, -(2**63) - 1, 1e308]))
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, odd_text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), inner, max_size=8),
    ),
    max_leaves=20,
)
bodies = st.one_of(
    documents.map(lambda value: json.dumps(value).encode()),
    documents.map(lambda value: json.dumps(value).encode()[:-1]),
    st.binary(max_size=200),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'"\\ud800"', b"{}", b"", b"\xff\xfe", b"1e999"]),
)
ODD_VALUES = [
    b"http://[",
    b"http://[::1",
    b"null",
    b"://",
    b"session_id=",
    b"session_id=a; session_id=b",
    b'a="',
    b"Bearer ",
    b"Bearer \xff\xfe",
    b"Basic Og==",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"application/json; charset=\xff",
    b"bytes=0-",
    b"bytes=-",
    b"W/",
    b"[::1]:80",
    b"a:b:c",
    b"",
]
header_bytes = st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
odd_headers = st.lists(
    st.tuples(
        st.sampled_from(
            b"Host Origin Sec-Fetch-Site Cookie Authorization Content-Type Accept Range If-None-Match X-Forwarded-For "
            b"X-Forwarded-Proto Forwarded Expect Content-Encoding Accept-Encoding Referer".split()
        ),
        st.one_of(
            header_bytes,
            st.sampled_from(ODD_VALUES),
        ),
    ),
    max_size=4,
)
segments = st.one_of(
    st.sampled_from(
        b"api images devices frame next slideshow pictures static photos originals thumbnails activity admin upload .. "
        b". %2e%2e %00 %ff %2f processed {image} openapi.json %F0%9F%98%80 a%20b ? ?s= ?limit=-1 ?after=%ff #".split()
    ),
    st.binary(min_size=1, max_size=12).map(lambda data: b"".join(b"%%%02x" % byte for byte in data)),
    st.binary(min_size=1, max_size=12).map(lambda data: bytes(byte for byte in data if byte > 32 and byte != 127)),
)
paths = st.lists(segments, max_size=6).map(lambda parts: b"/" + b"/".join(parts))


def known_image(backend: server.BackendServer) -> str:
    return str(backend.sql("SELECT id FROM images LIMIT 1")[0][0])


def session(backend: server.BackendServer) -> bytes:
    return f"session_id={backend.admin.cookies['session_id']}".encode()


def status_of(backend: server.BackendServer, request: bytes) -> int | None:
    """Send a raw request and return its status; None if the server closes the connection without a response."""
    address = urlsplit(backend.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=ANSWER_SECONDS) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n" not in answer and (piece := connection.recv(4096)):
                answer += piece
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def assert_healthy(backend: server.BackendServer) -> None:
    assert backend.anonymous.get("/_health").status_code == 200
    assert "Traceback" not in backend.log_text()
    assert backend.incomplete_objects() == []


def raw(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Content-Length: %d" % len(body), b"Connection: close"]
    if not any(name == b"Host" for name, _ in headers):
        lines.append(b"Host: 127.0.0.1")
    return b"\r\n".join(lines + [name + b": " + value for name, value in headers]) + b"\r\n\r\n" + body


def fuzz_json(attacked: server.BackendServer, examples: settings) -> None:
    image, cookie = known_image(attacked), session(attacked)
    token = str(attacked.processor.headers["Authorization"]).encode()

    @examples
    @given(st.sampled_from(JSON_PATHS), bodies)
    def attack(call: tuple[str, str], body: bytes) -> None:
        headers = [(b"Cookie", cookie), (b"Authorization", token), (b"Content-Type", b"application/json")]
        path = call[1].format(image=image).encode()
        status = status_of(attacked, raw(call[0].encode(), path, headers, body))
        assert status is not None, (call, body[:200])
        assert status < 500, (call, body[:200])

    attack()
    assert_healthy(attacked)


def fuzz_forms(attacked: server.BackendServer, examples: settings) -> None:
    cookie = session(attacked)
    whole = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        + small_photos.photo(77)
        + b"\r\n--b--\r\n"
    )
    cuts = st.tuples(st.integers(0, len(whole)), st.integers(0, 40), st.binary(max_size=20))

    @examples
    @given(st.lists(cuts, min_size=1, max_size=4), st.sampled_from([b"b", b"", b"bb", b'"b"', b"b" * 300, b"\xff"]))
    def attack(edits: list[tuple[int, int, bytes]], boundary: bytes) -> None:
        body = whole
        for offset, removed, new in edits:
            body = body[:offset] + new + body[offset + removed :]
        headers = [(b"Cookie", cookie), (b"Content-Type", b"multipart/form-data; boundary=" + boundary)]
        status = status_of(attacked, raw(b"POST", b"/api/admin/upload", headers, body))
        assert status is not None, (edits, boundary)
        assert status < 500, (edits, boundary)

    attack()
    assert_healthy(attacked)


def fuzz_heads(attacked: server.BackendServer, examples: settings) -> None:
    image, cookie = known_image(attacked).encode(), session(attacked)

    @examples
    @given(
        st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"X"]),
        paths,
        odd_headers,
        st.booleans(),
    )
    def attack(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], logged_in: bool) -> None:
        if method == b"DELETE" or b"logout" in path:  # other tests need the data and the session
            logged_in = False
        session_header = [(b"Cookie", cookie)] if logged_in else []
        status = status_of(attacked, raw(method, path.replace(b"{image}", image), headers + session_header, b""))
        assert status is None or status < 500, (method, path, headers)  # None: not valid HTTP

    attack()
    assert_healthy(attacked)


ATTACKS = {"json": fuzz_json, "forms": fuzz_forms, "heads": fuzz_heads}


@pytest.mark.parametrize("attack", ATTACKS)
def test_fuzzed_requests_are_answered_without_a_server_error(attacked: server.BackendServer, attack: str) -> None:
    ATTACKS[attack](attacked, FEW)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("attack", ATTACKS)
def test_many_mutated_requests_never_cause_a_server_error(attacked: server.BackendServer, attack: str) -> None:
    ATTACKS[attack](attacked, MANY)
