"""Upload requests: complete ones, multipart bodies built by hand, and ones that stop after the head."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx

from tests.support import server

UPLOAD = "/api/admin/upload"


def send(client: httpx.Client, data: bytes, filename: str = "photo.jpg") -> httpx.Response:
    return client.post(UPLOAD, files={"file": (filename, data)})


def form(*parts: tuple[str, str, bytes], end: bool = True, boundary: str = "the-boundary") -> bytes:
    """Return a multipart body of (field, raw end of Content-Disposition, bytes); without `end` it is incomplete."""
    body = b""
    for name, tail, data in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{tail}\r\n\r\n'.encode() + data + b"\r\n"
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


def post_form(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post(UPLOAD, content=body, headers={"Content-Type": "multipart/form-data; boundary=the-boundary"})


def begun_upload(backend: server.BackendServer, length: int) -> socket.socket:
    """Open a connection and send the head of an upload of `length` bytes; return the connection."""
    address = urlsplit(backend.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=10)
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: session_id={backend.admin.cookies['session_id']}"
        f"\r\nContent-Type: multipart/form-data; boundary=the-boundary\r\nContent-Length: {length}\r\n"
        "Connection: close\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection
