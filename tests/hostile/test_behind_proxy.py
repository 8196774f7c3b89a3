"""A real nginx and a real Caddy with TLS, configured as docs/operations/reverse-proxy.md shows."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backend.auth.login_throttle import FREE_ATTEMPTS
from tests.support import server
from tests.support.server import ROOT
from tests.support.small_photos import photo

pytestmark = pytest.mark.server

OWNER, STRANGER = "127.0.0.8", "127.0.0.7"
NGINX, CADDY = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"), shutil.which("caddy")
START_SECONDS = 20.0
LARGE = 2 * 1024 * 1024
"""Larger than nginx accepts by default."""


@dataclass
class Front:
    """A backend behind a proxy."""

    backend: server.BackendServer
    url: str
    tls: ssl.SSLContext

    @contextlib.contextmanager
    def client(self, source: str, **headers: str) -> Iterator[httpx.Client]:
        transport = httpx.HTTPTransport(local_address=source, verify=self.tls)
        with httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=30) as client:
            yield client

    def log_in(self, client: httpx.Client, **headers: str) -> httpx.Response:
        return client.post("/login", json={"password": self.backend.secrets["admin_password"]}, headers=headers)


def _documented(language: str) -> str:
    """Return the configuration that docs/operations/reverse-proxy.md shows."""
    text = (ROOT / "docs" / "operations" / "reverse-proxy.md").read_text("utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of `localhost` and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "photos.pem", folder / "photos.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


def _replace(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, f"docs/operations/reverse-proxy.md: {old} is missing from the configuration"
        text = text.replace(old, new)
    return text


def _nginx(folder: Path, port: int, upstream: str, *removed: str) -> list[str]:
    pem, key = _certificate(folder)
    site = _replace(
        _documented("nginx"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("photos.example", "localhost"),
        ("/etc/ssl/photos.pem", str(pem)),
        ("/etc/ssl/photos.key", str(key)),
        ("127.0.0.1:8080", upstream),
        *((line, "") for line in removed),
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"user root root;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{ worker_connections 256; }}\n"
        f"http {{\naccess_log off;\n{paths}{site}}}\n"
    )
    assert NGINX is not None
    return [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]


def _nginx_with_its_own_host(folder: Path, port: int, upstream: str) -> list[str]:
    return _nginx(folder, port, upstream, "proxy_set_header Host $http_host;")


def _caddy(folder: Path, port: int, upstream: str) -> list[str]:
    pem, key = _certificate(folder)
    site = _replace(
        _documented("caddy"),
        ("photos.example {", f"https://localhost:{port} {{\n    bind 127.0.0.1\n    tls {pem} {key}"),
        ("127.0.0.1:8080", upstream),
    )
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}")
    assert CADDY is not None
    return [CADDY, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


NO_PROXY = pytest.mark.skipif(NGINX is None and CADDY is None, reason="neither nginx nor Caddy is installed")
PROXIES: list[Callable[..., list[str]]] = []
if NGINX is not None:
    PROXIES += [_nginx, _nginx_with_its_own_host]
if CADDY is not None:
    PROXIES += [_caddy]


@pytest.fixture(scope="module", params=PROXIES or [pytest.param(_nginx, marks=NO_PROXY)])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("proxy")
    port = _free_port()
    url = f"https://localhost:{port}"
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "PUBLIC_URL": url}
    with server.running(folder / "data", **settings) as backend:
        command = request.param(folder, port, backend.url.removeprefix("http://"))
        with (folder / "proxy.log").open("wb") as log:
            environment = {"PATH": "/usr/bin:/usr/sbin:/bin", "HOME": str(folder)}
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            found = Front(backend, url, ssl.create_default_context(cafile=str(folder / "photos.pem")))
            _wait(found, process, folder / "proxy.log")
            yield found
        finally:
            process.terminate()
            process.wait(20)


def _wait(front: Front, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError), front.client(OWNER) as client:
            if client.get("/_health").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"the proxy did not answer within {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture
def owner(front: Front) -> Iterator[httpx.Client]:
    """A client that is logged in as a browser is: with the page's origin."""
    with front.client(OWNER, Origin=front.url) as client:
        front.log_in(client).raise_for_status()
        yield client


def test_login_cookie_is_secure(front: Front) -> None:
    with front.client(OWNER, Origin=front.url) as client:
        response = front.log_in(client)
        assert response.status_code == 200
        assert "; secure" in response.headers["set-cookie"].lower()
        assert client.get("/api/devices").status_code == 200


def test_pages_and_their_files_are_served(owner: httpx.Client) -> None:
    page = owner.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(files) >= 2
    for path in ("/upload", "/devices", "/activity", *files):
        assert owner.get(path, headers={"Accept": "text/html"}).status_code == 200, path
    with_other_origin = owner.post("/logout", headers={"Origin": "https://elsewhere.example"})
    assert with_other_origin.status_code == 403


def test_upload_and_frame(front: Front, owner: httpx.Client) -> None:
    device = owner.post("/api/devices", json={"name": "hall", "width": 80, "height": 48, "pairing": False})
    token = device.json()["token"]
    large = photo(5) + bytes(LARGE)
    uploaded = owner.post("/api/admin/upload", files={"file": ("large.jpg", large)})
    assert uploaded.status_code in (200, 201), uploaded.text
    # The cookie is Secure, so a client of the plain address needs it as a header.
    front.backend.admin = front.backend.client(Cookie=f"session_id={owner.cookies['session_id']}")
    front.backend.finish(front.backend.claim("test/0"))
    with front.client(OWNER, Authorization=f"Bearer {token}") as frame:
        entry = frame.get("/api/devices/hall/next")
        assert entry.status_code == 200, entry.text
        (address,) = set(re.findall(r'"(/pictures/[^"]+)"', entry.text))
        picture = frame.get(address)
    assert (picture.status_code, picture.content[:2]) == (200, b"\xff\xd8")
    original = owner.get(f"/originals/{uploaded.json()['id']}")
    assert original.content == large


def test_event_stream_is_not_delayed(front: Front, owner: httpx.Client) -> None:
    with owner.stream("GET", "/activity/events", headers={"Accept": "text/event-stream"}) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert any(line.startswith("event:") for line in (next(lines) for _ in range(8)))
        photos = front.backend.sql("SELECT count(*) FROM images")[0][0]
        with front.client(OWNER, Origin=front.url) as second:
            front.log_in(second)
            began = time.monotonic()
            second.post("/api/admin/upload", files={"file": ("next.jpg", photo(100 + photos))}).raise_for_status()
        assert any('"pending":' in line for line in lines if line.startswith("data:"))
        assert time.monotonic() - began < 10


def test_wrong_passwords_of_a_stranger_do_not_lock_out_the_owner(front: Front) -> None:
    with front.client(STRANGER) as stranger:
        statuses = []
        for number in range(FREE_ATTEMPTS + 2):
            forged = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": OWNER}
            statuses.append(stranger.post("/login", json={"password": "a wrong guess"}, headers=forged).status_code)
        assert statuses[-1] == 429
        assert front.log_in(stranger).status_code == 429
    with front.client(OWNER, Origin=front.url) as client:
        assert front.log_in(client).status_code == 200


def test_large_head_is_rejected_by_one_of_the_two(owner: httpx.Client) -> None:
    with contextlib.suppress(httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
        assert owner.get("/_health", headers={"X": "x" * 100_000}).status_code in (400, 431)
    assert owner.get("/_health").status_code == 200
