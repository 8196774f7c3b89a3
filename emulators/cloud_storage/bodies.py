"""Bodies of the imitated Google Cloud Storage: uploads taken apart, downloads put together."""

from __future__ import annotations

import json
import re
from email.message import Message
from typing import Any

from msgspec import Struct

from emulators.cloud_storage.objects import Refusal, StoredObject


class Call(Struct):
    """One request, taken apart."""

    operation: str
    parts: list[str]
    asked: dict[str, str]
    body: bytes
    headers: Message


class Answer(Struct):
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


def parts_of_upload(call: Call) -> tuple[dict[str, Any], bytes]:
    """(metadata, content) of an upload in one request. Raises Refusal."""
    kind = call.asked.get("uploadType")
    content_type = str(call.headers.get("Content-Type", ""))
    if kind == "media":
        return {"name": call.asked.get("name", ""), "contentType": content_type}, call.body
    match = re.fullmatch(r'multipart/related; boundary="?([^";]+)"?', content_type)
    if kind != "multipart" or not match:
        raise Refusal(501, "notImplemented", f"an upload goes in one request here, not by uploadType={kind}")
    mark = b"--" + match[1].strip("'").encode()
    head, _, rest = call.body.partition(mark + b"\r\n")
    described, _, rest = rest.partition(b"\r\n" + mark + b"\r\n")
    content, end, tail = rest.rpartition(b"\r\n" + mark + b"--")
    if head or not end or tail.strip():
        raise Refusal(400, "invalid", "Malformed multipart body.")
    metadata = json.loads(described.partition(b"\r\n\r\n")[2])
    headers, _, data = content.partition(b"\r\n\r\n")
    sent_as = re.search(rb"content-type: *([^\r\n]+)", headers, re.IGNORECASE)
    return {"contentType": sent_as[1].decode() if sent_as else "", **metadata}, data


def media(found: StoredObject, wanted_range: str | None) -> Answer:
    """An object's bytes, all of them or one range. Raises Refusal 416 for a range that lies outside."""
    size = len(found.data)
    headers = {
        "Content-Type": found.content_type,
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Metageneration": str(found.metageneration),
        "X-Goog-Stored-Content-Length": str(size),
        "X-Goog-Stored-Content-Encoding": "identity",
        "Cache-Control": found.cache_control or "private, max-age=0",
    }
    if wanted_range is None:
        return Answer(200, found.data, {**headers, "X-Goog-Hash": f"crc32c={found.crc32c}"})
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted_range)
    first = int(match[1]) if match else size
    last = min(int(match[2]), size - 1) if match and match[2] else size - 1
    if first > last:
        raise Refusal(416, "requestedRangeNotSatisfiable", f"Request range not satisfiable: {wanted_range}.")
    # No checksum: that of the whole says nothing of a part.
    return Answer(206, found.data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{size}"})
