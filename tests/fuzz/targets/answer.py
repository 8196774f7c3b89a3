"""Responses to the processor's requests, which a proxy may have sent. The first line is a `Retry-After` header."""

from __future__ import annotations

import json
from collections.abc import Sequence

import httpx

from contract.messages.processing import AttemptAnswer, ClaimAnswer, LeaseAnswer, ProcessedAnswer
from processor.backend_api.client import _decoded, _lease_answer
from processor.backend_api.status_codes import MAX_RETRY_AFTER, MIN_RETRY_AFTER, explained, retry_after
from processor.errors import BackendRejected
from tests.fuzz.library import IMAGE, NOW
from tests.fuzz.sentences import DEEP, check_message

REQUEST = httpx.Request("POST", "http://127.0.0.1/api/processing/claims")


def seeds() -> Sequence[bytes]:
    image = {"id": IMAGE, "filePath": "gs://b/o", "width": 4, "height": 3, "orientation": "landscape"}
    image |= {"lease": "1-2.3", "leaseUntil": NOW, "focus": [0.5, 0.5], "work": [{"device": "f", "recipe": "0" * 10}]}
    claims = {"images": [image], "devices": [{"name": "f", "width": 80, "height": 48}], "leaseSeconds": 60.0}
    attempt = {"attempt": 1, "devices": [{"name": "f", "width": 80, "height": 48, "orientation": "landscape"}]}
    rejected = {"title": "Conflict", "status": 409, "detail": "too late", "error": "too late", "held": [], "lost": []}
    rows = {"inserted": 1, "errors": [{"imageId": IMAGE, "deviceSize": "f", "error": "unknown image"}]}
    headers = ("5", "Wed, 21 Oct 2026 07:28:00 GMT", "0.5", "Wed, 21 Oct 2026 07:28:00 -0730", "")
    bodies = (claims, attempt, rejected, rows, {"held": ["a-1"], "lost": [], "leaseUntil": NOW})
    deep = b'5\n{"more": ' + DEEP
    return [deep, *(f"{header}\n{json.dumps(body)}".encode() for header, body in zip(headers, bodies, strict=True))]


def check(data: bytes) -> None:
    line, _, body = data.partition(b"\n")
    seconds = retry_after(line.decode("latin-1"), NOW)
    assert seconds is None or MIN_RETRY_AFTER <= seconds <= MAX_RETRY_AFTER
    response = httpx.Response(409, content=body, request=REQUEST)
    assert 1 <= len(explained(response)) <= 500
    lease = _lease_answer(body)
    assert lease is None or isinstance(lease, LeaseAnswer)
    for kind in (ClaimAnswer, AttemptAnswer, ProcessedAnswer, LeaseAnswer):
        try:
            assert isinstance(_decoded(response, kind), kind)
        except BackendRejected as error:
            check_message(error, start="this version cannot read the response to POST /api/processing/claims (", end="")
