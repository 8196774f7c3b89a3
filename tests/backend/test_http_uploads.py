"""Uploads over real HTTP: what is kept, what is refused, and that nothing of the refused stays."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import server
from PIL import Image
from server import problem

LIMIT = 1024 * 1024
UPLOAD = "/api/admin/upload"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"UPLOAD_LIMIT_MIB": "1", "UPLOADS_AT_ONCE": "2"}


@pytest.fixture
def unchanged(backend: server.BackendServer) -> Iterator[None]:
    """Fails the test if it left anything in the bucket or the database."""
    before = backend.objects()
    yield
    assert backend.objects() == before
    assert backend.left_aside() == []
    assert backend.sql("SELECT count(*) FROM images") == [(0,)]


def send(client: httpx.Client, data: bytes, filename: str = "photo.jpg") -> httpx.Response:
    return client.post(UPLOAD, files={"file": (filename, data)})


def png_header(width: int, height: int) -> bytes:
    """A PNG that is nothing but its header and an end."""
    chunks = b""
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg_of_size(width: int, height: int, *, progressive: bool) -> bytes:
    """A small JPEG whose header claims another size."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "grey").save(out, "JPEG", progressive=progressive)
    data = bytearray(out.getvalue())
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def form(*parts: tuple[str, str, bytes], end: bool = True, boundary: str = "the-boundary") -> bytes:
    """A multipart body of (field, raw Content-Disposition tail, bytes)."""
    body = b""
    for name, tail, data in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{tail}\r\n\r\n'.encode() + data + b"\r\n"
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


def post_form(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post(UPLOAD, content=body, headers={"Content-Type": "multipart/form-data; boundary=the-boundary"})


def test_a_new_photo_is_kept_byte_for_byte(backend: server.BackendServer) -> None:
    data = server.photo(1)
    answer = send(backend.admin, data, "holiday.jpg")
    image_id = hashlib.sha256(data).hexdigest()[:32]
    assert answer.status_code == 201
    assert answer.json() == {
        "id": image_id,
        "filename": "holiday.jpg",
        "width": 64,
        "height": 48,
        "orientation": "landscape",
        "processing_status": "pending",
    }
    assert (backend.bucket / "images" / "originals" / f"{image_id}.jpg").read_bytes() == data
    row = backend.sql("SELECT file_path, file_hash, filename, byte_size, processing_status, strikes FROM images")
    uri = f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg"
    assert row == [(uri, hashlib.sha256(data).hexdigest(), "holiday.jpg", len(data), "pending", 0)]


def test_the_same_photo_again_is_one_image(backend: server.BackendServer) -> None:
    first = send(backend.admin, server.photo(2), "a.jpg").json()
    before = backend.objects()
    again = send(backend.admin, server.photo(2), "b.jpg")
    assert again.status_code == 200
    assert again.json()["duplicate"] is True
    assert again.json()["id"] == first["id"]
    assert backend.sql("SELECT filename FROM images") == [("a.jpg",)]
    assert backend.objects() == before


def test_the_same_photo_at_once_is_one_image(backend: server.BackendServer) -> None:
    answers: list[httpx.Response] = []
    clients = [backend.log_in() for _ in range(6)]
    threads = [threading.Thread(target=lambda c=c: answers.append(send(c, server.photo(3)))) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert backend.sql("SELECT count(*) FROM images") == [(1,)]


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("GIF", ".gif"), ("TIFF", ".tif"), ("AVIF", ".avif")],
)
def test_the_content_decides_the_kind_whatever_the_name(
    backend: server.BackendServer, kind: str, extension: str
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(out, kind)
    taken = send(backend.admin, out.getvalue(), "notes.txt")
    assert taken.status_code == 201
    assert taken.json()["orientation"] == "square"
    assert backend.objects(f"images/originals/{taken.json()['id']}") == {
        f"images/originals/{taken.json()['id']}{extension}"
    }


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_orientation_are_those_of_the_upright_picture(backend: server.BackendServer, orientation: int) -> None:
    taken = send(backend.admin, server.jpeg(64, 48, orientation=orientation)).json()
    upright = (48, 64, "portrait") if orientation >= 5 else (64, 48, "landscape")
    assert (taken["width"], taken["height"], taken["orientation"]) == upright
    assert backend.sql("SELECT width, height, orientation FROM images") == [upright]


NO_PICTURES = {
    "text": b"just some words, no picture at all",
    "empty": b"",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"></svg>',
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "bmp": b"BM" + bytes(60),
    "only the start of a jpeg": b"\xff\xd8\xff\xe0",
    "a heic in name only": b"\x00\x00\x00\x18ftypheic" + bytes(40),
    "zip": b"PK\x03\x04" + bytes(40),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_415(backend: server.BackendServer, data: bytes) -> None:
    assert "odd.jpg" in problem(send(backend.admin, data, "odd.jpg"), 415)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "data",
    [png_header(20_000, 20_000), jpeg_of_size(8000, 8000, progressive=True), png_header(2**31 - 1, 1)],
    ids=["400 megapixels", "progressive 64 megapixels", "widest"],
)
def test_too_many_pixels_by_the_header_is_422(backend: server.BackendServer, data: bytes) -> None:
    told = problem(send(backend.admin, data, "bomb.png"), 422)
    assert "bomb.png" in told
    assert "megapixels" in told


def test_a_baseline_picture_may_have_more_pixels_than_a_progressive_one(backend: server.BackendServer) -> None:
    assert send(backend.admin, jpeg_of_size(8000, 8000, progressive=False)).status_code == 201


def test_the_byte_limit_holds_to_the_byte(backend: server.BackendServer) -> None:
    picture = server.photo(4)
    exact = picture + bytes(LIMIT - len(picture))
    assert send(backend.admin, exact).status_code == 201
    before = backend.objects()
    told = problem(send(backend.admin, exact + b"x", "large.jpg"), 413)
    assert "large.jpg" in told
    assert "1 MiB" in told
    problem(send(backend.admin, picture + bytes(5 * LIMIT), "larger.jpg"), 413)
    assert backend.objects() == before
    assert backend.left_aside() == []


def test_several_files_get_a_line_each(backend: server.BackendServer) -> None:
    send(backend.admin, server.photo(5))
    answer = backend.admin.post(
        UPLOAD,
        files=[
            ("files", ("new.jpg", server.photo(6))),
            ("files", ("known.jpg", server.photo(5))),
            ("file", ("words.txt", b"no picture")),
            ("files", ("bomb.png", png_header(20_000, 20_000))),
            ("files", ("large.jpg", server.photo(7) + bytes(LIMIT))),
            ("comment", ("ignored.jpg", server.photo(8))),
        ],
    )
    assert answer.status_code == 200
    lines = answer.json()["results"]
    assert [(line["filename"], line["status"]) for line in lines] == [
        ("new.jpg", 201),
        ("known.jpg", 200),
        ("words.txt", 415),
        ("bomb.png", 422),
        ("large.jpg", 413),
    ]
    assert lines[0]["id"] == hashlib.sha256(server.photo(6)).hexdigest()[:32]
    assert lines[1]["duplicate"] is True
    assert all(line["filename"] in line["error"] for line in lines[2:])
    assert backend.sql("SELECT count(*) FROM images") == [(2,)]


NAMES = [
    ('; filename="../../etc/passwd"', "passwd"),
    ('; filename="C:\\\\photos\\\\sea.jpg"', "sea.jpg"),
    ('; filename="a\x01b\x7fc\x1b[31m.jpg"', "abc[31m.jpg"),
    ('; filename="sun\u202eset.jpg"', "sunset.jpg"),
    ("; filename*=UTF-8''K%C3%BCste%0A.jpg", "K\u00fcste.jpg"),
    ('; filename="' + "x" * 300 + '"', "x" * 200),
    ('; filename="/"', "unnamed"),
    ('; filename=""', "unnamed"),
    ("", "unnamed"),
]


@pytest.mark.parametrize(("tail", "kept"), NAMES, ids=[kept[:20] or "-" for _, kept in NAMES])
def test_names_are_tidied(backend: server.BackendServer, tail: str, kept: str) -> None:
    answer = post_form(backend.admin, form(("file", tail, server.photo(9))))
    assert answer.status_code == 201
    assert answer.json()["filename"] == kept
    assert backend.sql("SELECT filename FROM images") == [(kept,)]
    assert all(name.startswith("images/originals/") for name in backend.objects())


@pytest.mark.usefixtures("unchanged")
def test_a_form_without_a_file_is_422(backend: server.BackendServer) -> None:
    told = problem(post_form(backend.admin, form(("comment", "", b"hello"))), 422)
    assert "file" in told
    problem(post_form(backend.admin, form()), 422)
    problem(post_form(backend.admin, b""), 422)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/jpeg", ""])
def test_what_is_no_form_is_415(backend: server.BackendServer, kind: str) -> None:
    told = problem(backend.admin.post(UPLOAD, content=b"{}", headers={"Content-Type": kind}), 415)
    assert "multipart/form-data" in told


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("cut", [1, 4, 30], ids=lambda cut: f"{cut} bytes short")
def test_a_form_that_ends_early_keeps_nothing_of_the_cut_file(backend: server.BackendServer, cut: int) -> None:
    whole = form(("file", '; filename="cut.jpg"', server.photo(10)), end=False)
    problem(post_form(backend.admin, whole[:-cut]), 422)


def test_of_a_form_that_breaks_off_the_whole_files_are_told(backend: server.BackendServer) -> None:
    parts = [("file", f'; filename="{number}.jpg"', server.photo(number)) for number in (11, 12)]
    answer = post_form(backend.admin, form(*parts, end=False)[:-20])
    problem(answer, 422)
    kept = backend.sql("SELECT filename FROM images")
    assert [(line["filename"],) for line in answer.json()["results"]] == kept == [("11.jpg",)]


@pytest.mark.usefixtures("unchanged")
def test_a_connection_that_is_cut_keeps_nothing(backend: server.BackendServer) -> None:
    body = form(("file", '; filename="cut.jpg"', server.photo(13)), end=False)
    with begun_upload(backend, len(body) + 1000) as connection:
        connection.sendall(body[:-10])
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        while connection.recv(4096):
            pass  # until the server has let go of it
    assert send(backend.admin, b"no picture").status_code == 415  # it goes on serving


def test_more_parts_than_allowed_are_refused_and_the_kept_ones_told(backend: server.BackendServer) -> None:
    parts = [("files", f'; filename="{number}.jpg"', server.photo(number)) for number in range(65)]
    answer = post_form(backend.admin, form(*parts))
    assert "parts" in problem(answer, 422)
    assert len(answer.json()["results"]) == backend.sql("SELECT count(*) FROM images")[0][0] < 65


def begun_upload(backend: server.BackendServer, length: int) -> socket.socket:
    """A connection on which an upload of `length` bytes has been announced."""
    address = urlsplit(backend.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=10)
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: session_id={backend.admin.cookies['session_id']}"
        f"\r\nContent-Type: multipart/form-data; boundary=the-boundary\r\nContent-Length: {length}\r\n"
        "Connection: close\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def test_uploads_beyond_the_bound_wait_their_turn(backend: server.BackendServer) -> None:
    bodies = [form(("file", f'; filename="slow-{number}.jpg"', server.photo(number))) for number in (14, 15)]
    slow = [begun_upload(backend, len(body)) for body in bodies]
    try:
        for connection, body in zip(slow, bodies, strict=True):
            connection.sendall(body[:200])
        time.sleep(0.5)  # both have taken their places
        answers: list[httpx.Response] = []
        third = threading.Thread(target=lambda: answers.append(send(backend.log_in(), server.photo(16))))
        third.start()
        third.join(0.7)
        assert answers == []
        assert backend.anonymous.get("/_health").status_code == 200  # others are not held up
        slow[0].sendall(bodies[0][200:])
        third.join(15)
        assert [answer.status_code for answer in answers] == [201]
        slow[1].sendall(bodies[1][200:])
        for connection in slow:
            assert connection.recv(4096).startswith(b"HTTP/1.1 201 ")
    finally:
        for connection in slow:
            connection.close()
    assert backend.sql("SELECT count(*) FROM images") == [(3,)]


def test_an_upload_that_stands_still_gives_up_its_place(data_folder: Path) -> None:
    whole = form(("file", '; filename="slow.jpg"', server.photo(21)))
    with (
        server.running(data_folder, UPLOADS_AT_ONCE="1", UPLOAD_SECONDS="2") as backend,
        begun_upload(backend, len(whole)) as connection,
    ):
        connection.sendall(whole[:-100])
        time.sleep(0.2)
        assert send(backend.admin, server.photo(23)).status_code == 201  # as soon as the place is free
        connection.settimeout(10)
        answer = b""
        while part := connection.recv(4096):
            answer += part
        assert answer.startswith(b"HTTP/1.1 408 ")
        told = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert "2 s" in told["detail"]
        assert backend.sql("SELECT filename FROM images") == [("photo.jpg",)]


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(backend: server.BackendServer) -> None:
    """As curl does with large files."""
    body = form(("file", '; filename="curl.jpg"', server.photo(17)))
    address = urlsplit(backend.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=10) as connection:
        head = (
            f"POST {UPLOAD} HTTP/1.1\r\nHost: {address.netloc}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
            f"Cookie: session_id={backend.admin.cookies['session_id']}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=the-boundary\r\nExpect: 100-continue\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 201 ")


def test_the_cookie_alone_lets_a_tool_upload(backend: server.BackendServer) -> None:
    session = backend.admin.cookies["session_id"]
    assert send(backend.client(Cookie=f"session_id={session}"), server.photo(18)).status_code == 201
    assert send(backend.client(Cookie=f"a=b; session_id={session}"), server.photo(18)).status_code == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_changes_from_another_sites_page_are_403(backend: server.BackendServer, headers: dict[str, str]) -> None:
    admin = backend.admin
    problem(admin.post(UPLOAD, files={"file": ("x.jpg", server.photo(19))}, headers=headers), 403)
    problem(admin.post("/api/devices", json={"name": "x", "width": 9, "height": 9}, headers=headers), 403)
    problem(admin.post("/api/admin/retry", json={}, headers=headers), 403)
    problem(admin.post("/logout", headers=headers), 403)
    problem(
        backend.anonymous.post("/login", json={"password": backend.secrets["admin_password"]}, headers=headers), 403
    )
    assert admin.get("/api/images", headers=headers).status_code == 200  # reading changes nothing
    assert backend.sql("SELECT count(*) FROM devices") == [(0,)]


def test_changes_from_the_own_page_pass(backend: server.BackendServer) -> None:
    own = {"Origin": backend.url, "Sec-Fetch-Site": "same-origin"}
    answer = backend.admin.post(UPLOAD, files={"file": ("x.jpg", server.photo(20))}, headers=own)
    assert answer.status_code == 201


def test_login_with_json_or_a_form_and_logout(backend: server.BackendServer) -> None:
    password = backend.secrets["admin_password"]
    for body in ({"json": {"password": password}}, {"data": {"password": password}}):
        client = backend.client()
        answer = client.post("/login", **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert "session_id=" in cookie
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        session = client.cookies["session_id"]
        assert client.get("/api/images").status_code == 200
        assert client.post("/logout").status_code == 200
        assert "session_id" not in client.cookies
        problem(backend.client(Cookie=f"session_id={session}").get("/api/images"), 401)  # ended for good


def test_the_database_keeps_no_session_that_could_be_used(backend: server.BackendServer) -> None:
    session = backend.log_in().cookies["session_id"]
    kept = [row[0] for row in backend.sql("SELECT token_hash FROM sessions")]
    assert session not in kept
    assert hashlib.sha256(session.encode()).hexdigest() in kept


def test_a_session_past_its_end_is_refused(backend: server.BackendServer) -> None:
    client = backend.log_in()
    hashed = hashlib.sha256(client.cookies["session_id"].encode()).hexdigest()
    backend.sql("UPDATE sessions SET expires_at = ? WHERE token_hash = ?", time.time() - 1, hashed)
    problem(client.get("/api/images"), 401)


def test_a_wrong_password_is_403_and_answered_late(backend: server.BackendServer) -> None:
    began = time.monotonic()
    refused = backend.anonymous.post("/login", json={"password": "wrong"})
    assert "password" in problem(refused, 403)
    assert time.monotonic() - began >= 0.4
    assert "set-cookie" not in refused.headers
    assert "password" in problem(backend.anonymous.post("/login", data={"user": "me"}), 422)
    problem(backend.anonymous.post("/login", content=b"x" * 20_000), 413)
