"""Request and response bodies of the emulated Cloud Storage: parsing uploads, building downloads."""

from __future__ import annotations

import json
import re
from email.message import Message
from typing import Any

from msgspec import Struct

from emulators.cloud_storage.objects import StoredObject
from emulators.cloud_storage.rules import ApiError


class Request(Struct):
    """A parsed request."""

    operation: str
    parts: list[str]
    query: dict[str, str]
    body: bytes
    headers: Message


class Response(Struct):
    """A response."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


def parse_upload(request: Request) -> tuple[dict[str, Any], bytes]:
    """Return (metadata, content) of an upload in one request. Raises ApiError for any other form of upload."""
    kind = request.query.get("uploadType")
    content_type = str(request.headers.get("Content-Type", ""))
    if kind == "media":
        return {"name": request.query.get("name", ""), "contentType": content_type}, request.body
    match = re.fullmatch(r'multipart/related; boundary="?([^";]+)"?', content_type)
    if kind != "multipart" or not match:
        raise ApiError(501, "notImplemented", f"uploadType={kind} is not implemented; send the upload in one request")
    separator = b"--" + match[1].strip("'").encode()
    head, _, rest = request.body.partition(separator + b"\r\n")
    head_part, _, rest = rest.partition(b"\r\n" + separator + b"\r\n")
    content, end, tail = rest.rpartition(b"\r\n" + separator + b"--")
    if head or not end or tail.strip():
        raise ApiError(400, "invalid", "Malformed multipart body.")
    metadata = json.loads(head_part.partition(b"\r\n\r\n")[2])
    headers, _, data = content.partition(b"\r\n\r\n")
    part_type = re.search(rb"content-type: *([^\r\n]+)", headers, re.IGNORECASE)
    return {"contentType": part_type[1].decode() if part_type else "", **metadata}, data


def media_response(stored: StoredObject, requested_range: str | None) -> Response:
    """Return an object's bytes, all of them or one range. Raises ApiError 416 for a range outside of the object."""
    size = len(stored.data)
    headers = {
        "Content-Type": stored.content_type,
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Stored-Content-Length": str(size),
        "X-Goog-Stored-Content-Encoding": "identity",
        "Cache-Control": stored.cache_control or "private, max-age=0",
    }
    if requested_range is None:
        return Response(200, stored.data, {**headers, "X-Goog-Hash": f"crc32c={stored.crc32c}"})
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", requested_range)
    first = int(match[1]) if match else size
    last = min(int(match[2]), size - 1) if match and match[2] else size - 1
    if first > last:
        raise ApiError(416, "requestedRangeNotSatisfiable", f"Request range not satisfiable: {requested_range}.")
    # No checksum: that of the complete object does not apply to a part.
    return Response(206, stored.data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{size}"})
