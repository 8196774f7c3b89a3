"""Uploads in several requests (https://cloud.google.com/storage/docs/performing-resumable-uploads).

A first request receives the metadata and returns the address of a session; further ones send the content in order.
As in the service:

- Every part except the last one has a multiple of 256 KiB.
- Preconditions are checked at the beginning and again when the object is written.
- A repeated part is ignored, and a repeated last part returns the object once more.
- The checksum in `X-Goog-Hash` of the last part is compared.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from emulators.cloud_storage.bodies import Request, Response
from emulators.cloud_storage.objects import ObjectStore, StoredObject
from emulators.cloud_storage.rules import invalid

PART_BYTES = 256 * 1024

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class _Session(Struct):
    bucket: str
    metadata: dict[str, Any]
    query: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    written: StoredObject | None = None


class ResumableUploads:
    """The sessions of one emulator; thread-safe."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def begin(self, request: Request) -> Response:
        """Create a session. Raises ApiError 400, 404 or 412."""
        metadata = json.loads(request.body or b"{}")
        name = str(metadata.get("name") or request.query.get("name", ""))
        metadata = {"contentType": request.headers.get("X-Upload-Content-Type", ""), **metadata, "name": name}
        bucket = request.parts[0]
        self._store.check_write(bucket, name, request.query)
        upload_id = secrets.token_hex(16)
        with self._lock:
            self._sessions[upload_id] = _Session(bucket, metadata, dict(request.query))
        host = request.headers.get("Host", "")
        address = f"http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return Response(200, headers={"Location": address})

    def receive(self, request: Request, *, may_delete: Callable[[], bool]) -> StoredObject | Response:
        """Append a part. Return the object after the last part, else 308 with the range that has arrived."""
        match = _CONTENT_RANGE.fullmatch(request.headers.get("Content-Range", ""))
        with self._lock:
            session = self._sessions.get(request.query.get("upload_id", ""))
            if session is None or match is None:
                raise invalid("Invalid upload id or Content-Range.")
            if session.written is not None:
                return session.written
            first = int(match[1]) if match[1] else len(session.data)
            if match[1] and int(match[2]) - first + 1 != len(request.body):
                raise invalid("Content-Range does not match the body.")
            if first > len(session.data):
                raise invalid(f"The next byte is {len(session.data)}, not {first}.")
            is_last = match[3] != "*" and first + len(request.body) == int(match[3])
            if request.body and not is_last and len(request.body) % PART_BYTES:
                raise invalid("Every part except the last one must have a multiple of 256 KiB.")
            session.data += request.body[len(session.data) - first :]
            if not is_last:
                arrived = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
                return Response(308, headers=arrived)
            metadata = dict(session.metadata)
            if checksum := re.search(r"crc32c=([^,]+)", request.headers.get("X-Goog-Hash", "")):
                metadata["crc32c"] = checksum[1]
            session.written = self._store.put(
                session.bucket,
                metadata["name"],
                bytes(session.data),
                metadata,
                session.query,
                may_delete=may_delete(),
            )
            session.data.clear()
            return session.written
