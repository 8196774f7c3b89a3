"""The client against servers that misbehave: real HTTP, answers written by hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from slideshow.client.http import Client
from slideshow.client.uploads import send_all, send_one
from slideshow.errors import RequestRejected, Unreachable

pytestmark = pytest.mark.server

Answer = tuple[int, dict[str, str], bytes]
PROBLEM = json.dumps(
    {"type": "about:blank", "title": "No", "status": 415, "detail": "x.jpg: no picture", "error": "x.jpg: no picture"}
).encode()
IMAGE = json.dumps(
    {
        "id": "0" * 32,
        "filename": "x.jpg",
        "width": 4,
        "height": 3,
        "orientation": "landscape",
        "processing_status": "pending",
    }
).encode()


@contextmanager
def serving(answer: Callable[[int, str, bytes], Answer]) -> Iterator[str]:
    """Run a server that answers the nth request (from 0) with `answer`, and yield its address."""
    seen = iter(range(10_000))

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def handle_any(self) -> None:
            length = self.headers.get("Content-Length")
            body = self.rfile.read(int(length)) if length else b""
            status, headers, content = answer(next(seen), self.path, body)
            if status == 0:  # break the connection off without a word
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_client_error_response_raises_its_sentence_and_status() -> None:
    with serving(lambda *_: (415, {}, PROBLEM)) as url, Client(url) as client:
        with pytest.raises(RequestRejected, match=r"x\.jpg: no picture") as refused:
            client.flush()
        assert refused.value.status == 415


def test_client_error_without_a_sentence_names_the_request() -> None:
    with (
        serving(lambda *_: (500, {}, b"<html>oops")) as url,
        Client(url) as client,
        pytest.raises(RequestRejected, match="answered 500 Internal Server Error to POST /api/admin/flush"),
    ):
        client.flush()


def test_client_retries_503_and_then_raises() -> None:
    counted: list[int] = []

    def answer(number: int, *_: object) -> Answer:
        counted.append(number)
        return (503, {"Retry-After": "0"}, PROBLEM) if number < 2 else (200, {}, b'{"devices":[]}')

    with serving(answer) as url, Client(url) as client:
        assert client.devices().devices == ()
    assert counted == [0, 1, 2]
    with serving(lambda *_: (503, {"Retry-After": "0"}, PROBLEM)) as url, Client(url, tries=2) as client:
        with pytest.raises(RequestRejected) as refused:
            client.devices()
        assert refused.value.status == 503


def test_client_retries_broken_connections_except_for_new_devices() -> None:
    def answer(number: int, *_: object) -> Answer:
        return (0, {}, b"") if number == 0 else (200, {}, b'{"devices":[]}')

    with serving(answer) as url, Client(url) as client:
        assert client.devices().devices == ()
    from contract.messages.devices import DeviceBody

    # A new device's token is in the first answer only: asking again would lose it.
    with serving(answer) as url, Client(url) as client, pytest.raises(Unreachable, match="does not answer"):
        client.save_device(DeviceBody(name="k", width=1, height=1))


def test_client_rejects_a_server_of_another_kind() -> None:
    with (
        serving(lambda *_: (200, {}, b"<html>welcome")) as url,
        Client(url) as client,
        pytest.raises(Unreachable, match="is not a slideshow backend"),
    ):
        client.status()


def test_client_times_out_on_a_silent_server() -> None:
    release = threading.Event()

    def answer(*_: object) -> Answer:
        release.wait(10)
        return (200, {}, b"{}")

    with serving(answer) as url, Client(url, answer_seconds=0.2, tries=1) as client:
        with pytest.raises(Unreachable, match="timed out"):
            client.status()
        release.set()


def test_client_upload_sends_a_form_with_bytes_and_name(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def answer(number: int, path: str, body: bytes) -> Answer:
        bodies.append(body)
        return (201, {}, IMAGE)

    path = tmp_path / "süß.jpg"
    path.write_bytes(b"\xff\xd8\xff" + bytes(200_000))
    with serving(answer) as url, Client(url) as client:
        assert client.upload(path).id == "0" * 32
    assert path.read_bytes() in bodies[0]
    assert 'name="file"; filename="süß.jpg"'.encode() in bodies[0]


def test_send_one_returns_the_outcome_of_each_error(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"x")

    def outcome(status: int, content: bytes = PROBLEM) -> tuple[str | None, str | None, bool]:
        with serving(lambda *_: (status, {}, content)) as url, Client(url, tries=1) as client:
            sent = send_one(client, path)
            return sent.image_id, sent.rejected, sent.system_error

    assert outcome(201, IMAGE) == ("0" * 32, None, False)
    assert outcome(415) == (None, "x.jpg: no picture", False)
    assert outcome(500) == (None, "x.jpg: no picture", True)
    _, rejected, system_error = outcome(0)
    assert rejected is not None
    assert rejected.startswith("x.jpg: could not be sent: ")
    assert system_error
    with pytest.raises(RequestRejected, match="no picture"):
        outcome(401)
    with serving(lambda *_: (201, {}, IMAGE)) as url, Client(url) as client:
        gone = send_one(client, tmp_path / "gone.jpg")
    assert gone.rejected == "gone.jpg: cannot be read: No such file or directory"
    assert not gone.system_error


def test_send_all_keeps_the_order_of_the_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(9)]
    for file in files[::2]:
        file.write_bytes(b"x")
    calls: list[tuple[int, int]] = []
    with serving(lambda *_: (201, {}, IMAGE)) as url, Client(url) as client:
        sent = send_all(client, files, lambda number, rejected: calls.append((number, rejected)))
    assert [photo.path for photo in sent] == files
    assert [photo.rejected is None for photo in sent] == [number % 2 == 0 for number in range(9)]
    assert [number for number, _ in calls] == list(range(1, 10))
    assert calls[-1] == (9, 4)


def test_send_all_stops_when_the_backend_check_raises(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(5)]
    for file in files:
        file.write_bytes(b"x")

    def dead() -> None:
        raise Unreachable("it is gone")

    with (
        serving(lambda *_: (500, {}, PROBLEM)) as url,
        Client(url) as client,
        pytest.raises(Unreachable, match="it is gone"),
    ):
        send_all(client, files, lambda *_: None, dead)
