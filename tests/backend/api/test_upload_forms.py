"""Upload forms: file names, truncated and stalled forms, concurrency."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import server, small_photos
from tests.support.server import problem
from tests.support.upload_forms import UPLOAD, begun_upload, form, post_form, send

pytestmark = pytest.mark.server

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

MAX_FILES_IN_A_FORM = 500


@pytest.mark.parametrize(("tail", "kept"), NAMES, ids=[kept[:20] or "-" for _, kept in NAMES])
def test_upload_file_names_are_cleaned(backend: server.BackendServer, tail: str, kept: str) -> None:
    answer = post_form(backend.admin, form(("file", tail, small_photos.photo(9))))
    assert answer.status_code == 201
    assert answer.json()["filename"] == kept
    assert backend.sql("SELECT filename FROM images") == [(kept,)]
    assert all(name.startswith(("images/originals/", "images/records/")) for name in backend.objects("images/"))


@pytest.mark.usefixtures("unchanged")
def test_upload_form_without_file_is_422(backend: server.BackendServer) -> None:
    sentence = problem(post_form(backend.admin, form(("comment", "", b"hello"))), 422)
    assert "file" in sentence
    problem(post_form(backend.admin, form()), 422)
    problem(post_form(backend.admin, b""), 422)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/jpeg", ""])
def test_upload_without_multipart_is_415(backend: server.BackendServer, kind: str) -> None:
    sentence = problem(backend.admin.post(UPLOAD, content=b"{}", headers={"Content-Type": kind}), 415)
    assert "multipart/form-data" in sentence


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("cut", [1, 4, 30], ids=lambda cut: f"{cut} bytes short")
def test_upload_truncated_form_stores_nothing_of_the_cut_file(backend: server.BackendServer, cut: int) -> None:
    whole = form(("file", '; filename="cut.jpg"', small_photos.photo(10)), end=False)
    problem(post_form(backend.admin, whole[:-cut]), 422)


def test_upload_truncated_form_reports_the_complete_files(backend: server.BackendServer) -> None:
    parts = [("file", f'; filename="{number}.jpg"', small_photos.photo(number)) for number in (11, 12)]
    answer = post_form(backend.admin, form(*parts, end=False)[:-20])
    problem(answer, 422)
    kept = backend.sql("SELECT filename FROM images")
    assert [(line["filename"],) for line in answer.json()["results"]] == kept == [("11.jpg",)]


@pytest.mark.usefixtures("unchanged")
def test_upload_lost_connection_stores_nothing(backend: server.BackendServer) -> None:
    body = form(("file", '; filename="cut.jpg"', small_photos.photo(13)), end=False)
    with begun_upload(backend, len(body) + 1000) as connection:
        connection.sendall(body[:-10])
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        while connection.recv(4096):
            pass  # until the server closes the connection
    assert send(backend.admin, b"no picture").status_code == 415  # it still serves


def test_upload_too_many_parts_reports_the_stored_files(backend: server.BackendServer) -> None:
    few = [("files", f'; filename="{number}.jpg"', small_photos.photo(number)) for number in range(3)]
    parts = few + [("other", "", b"x")] * MAX_FILES_IN_A_FORM
    answer = post_form(backend.admin, form(*parts))
    assert "parts" in problem(answer, 422)
    assert len(answer.json()["results"]) == backend.sql("SELECT count(*) FROM images")[0][0] == 3


def test_upload_above_the_concurrency_limit_waits(backend: server.BackendServer) -> None:
    bodies = [form(("file", f'; filename="slow-{number}.jpg"', small_photos.photo(number))) for number in (14, 15)]
    slow = [begun_upload(backend, len(body)) for body in bodies]
    try:
        for connection, body in zip(slow, bodies, strict=True):
            connection.sendall(body[:200])
        time.sleep(0.5)  # both uploads have a slot
        answers: list[httpx.Response] = []
        third = threading.Thread(target=lambda: answers.append(send(backend.log_in(), small_photos.photo(16))))
        third.start()
        third.join(0.7)
        assert answers == []
        assert backend.anonymous.get("/_health").status_code == 200  # other requests are not delayed
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


def test_upload_stalled_releases_its_slot(data_folder: Path) -> None:
    whole = form(("file", '; filename="slow.jpg"', small_photos.photo(21)))
    with (
        server.running(data_folder, UPLOADS_AT_ONCE="1", UPLOAD_SECONDS="2") as backend,
        begun_upload(backend, len(whole)) as connection,
    ):
        connection.sendall(whole[:-100])
        time.sleep(0.2)
        assert send(backend.admin, small_photos.photo(23)).status_code == 201  # as soon as the slot is free
        connection.settimeout(10)
        answer = b""
        while part := connection.recv(4096):
            answer += part
        assert answer.startswith(b"HTTP/1.1 408 ")
        body = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert "2 s" in body["detail"]
        assert backend.sql("SELECT filename FROM images") == [("photo.jpg",)]


def test_upload_expect_continue_is_answered(backend: server.BackendServer) -> None:
    """Curl sends `Expect: 100-continue` with large files."""
    body = form(("file", '; filename="curl.jpg"', small_photos.photo(17)))
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
