"""A small claims server for tests of the task: HTTP on 127.0.0.1, with leases that really end.

It implements the processing calls of the contract in memory. `faults` maps a part of a path to the faults of the next
calls to such a path.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from contract.messages.processing import (
    AttemptAnswer,
    AttemptStart,
    ClaimAnswer,
    ClaimedImage,
    ClaimRequest,
    Device,
    Failure,
    ImageOutcome,
    LeaseAnswer,
    LeaseList,
    LegacyDevice,
    ProcessedAnswer,
    ProcessedImage,
    ProcessedImages,
    RowError,
    Success,
    WorkItem,
)
from contract.recipes import RENDERER_VERSION, recipe

TOKEN = "a-token-for-the-tests"


@dataclass
class Fault:
    """One injected fault: a status instead of the work, silence, or the work without its response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    stall_seconds: float = 0.0
    lose_answer: bool = False
    body: bytes | None = None


@dataclass
class ImageRecord:
    id: str
    file_path: str
    filename: str
    suspect: bool = False
    byte_size: int = 0
    state: str = "pending"
    lease: str | None = None
    lease_until: float = 0.0
    attempts: int = 0
    attempt_open: bool = False
    claims: int = 0
    strikes: int = 0
    error: str = ""
    rows: dict[str, ProcessedImage] = field(default_factory=dict)
    reports: int = 0
    outcome: ImageOutcome | None = None


class Rejected(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ClaimsServer:
    """Use it as a context manager; `url` is its address."""

    def __init__(self, devices: tuple[Device, ...] = (), lease_seconds: float = 60.0) -> None:
        self.devices = devices
        self.lease_seconds = lease_seconds
        self.renderer_version = RENDERER_VERSION
        self.images: dict[str, ImageRecord] = {}
        self.faults: dict[str, deque[Fault]] = {}
        self.calls: list[tuple[str, str]] = []
        self.claim_limits: list[int] = []
        self.batches: list[ProcessedImages] = []
        self.in_claim_ids: dict[str, list[str]] = {}
        self.lock = threading.RLock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve_call(self) -> None:
                server._handle(self)

            do_GET = do_POST = do_PATCH = serve_call

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Ignore clients that disconnect, which some tests do on purpose."""

        self._http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> ClaimsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def add(self, image_id: str, file_path: str, filename: str, *, suspect: bool = False) -> ImageRecord:
        record = ImageRecord(image_id, file_path, filename, suspect)
        self.images[image_id] = record
        return record

    def fault(self, part: str, *faults: Fault) -> None:
        self.faults.setdefault(part, deque()).extend(faults)

    def states(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for record in self.images.values():
            counts[record.state] = counts.get(record.state, 0) + 1
        return counts

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = request.path
        with self.lock:
            self.calls.append((request.command, path))
            fault = next((queue.popleft() for part, queue in self.faults.items() if part in path and queue), None)
        if fault and fault.stall_seconds:
            time.sleep(fault.stall_seconds)
        if fault and fault.status:
            self._send(request, fault.status, fault.body or b"{}", fault.headers)
            return
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, answer = (403 if "Authorization" in request.headers else 401), self._problem("no")
        else:
            try:
                with self.lock:
                    status, answer = 200, msgspec.json.encode(self._answer(request.command, path, body))
            except Rejected as error:
                status, answer = error.status, self._problem(str(error))
            except msgspec.ValidationError as error:
                status, answer = 422, self._problem(str(error))
        if fault and fault.body is not None:
            answer = fault.body
        if fault and fault.lose_answer:
            request.close_connection = True
            request.connection.close()
            return
        self._send(request, status, answer, {})

    @staticmethod
    def _problem(reason: str) -> bytes:
        return json.dumps({"title": "problem", "detail": reason, "error": reason}).encode()

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _answer(self, method: str, path: str, body: bytes) -> msgspec.Struct:
        parts = path.strip("/").split("/")
        if path == "/api/processing/claims":
            return self._claim(msgspec.json.decode(body, type=ClaimRequest))
        if path.startswith("/api/processing/claims/"):
            return self._leases(parts[-1], msgspec.json.decode(body, type=LeaseList))
        if path == "/api/processed-images":
            return self._report(msgspec.json.decode(body, type=ProcessedImages))
        if parts[:2] == ["api", "processing-attempts"] and parts[-1] == "start":
            return self._start(self._known(parts[2]), msgspec.json.decode(body, type=AttemptStart))
        if method == "PATCH" and parts[-1] == "failed":
            return self._fail(self._known(parts[2]), msgspec.json.decode(body, type=Failure))
        raise Rejected(404, "no such call")

    def _known(self, image_id: str) -> ImageRecord:
        if image_id not in self.images:
            raise Rejected(404, "unknown image")
        return self.images[image_id]

    def _claim(self, request: ClaimRequest) -> ClaimAnswer:
        if request.renderer_version != self.renderer_version:
            raise Rejected(409, f"this backend needs renderer version {self.renderer_version}")
        self.claim_limits.append(request.limit)
        now = time.time()
        claim_id = str(request.claim_id)
        if claim_id not in self.in_claim_ids:
            chosen: list[str] = []
            for record in self.images.values():
                expired = record.state == "processing" and record.lease_until < now
                if (record.state == "pending" or expired) and len(chosen) < request.limit:
                    record.suspect = record.suspect or record.attempt_open
                    record.state, record.attempt_open = "processing", False
                    record.lease = f"{claim_id}.{record.id}"
                    record.lease_until = now + self.lease_seconds
                    record.claims += 1
                    chosen.append(record.id)
            self.in_claim_ids[claim_id] = chosen
        return ClaimAnswer(
            images=tuple(self._claimed(self.images[image_id]) for image_id in self.in_claim_ids[claim_id]),
            devices=self.devices,
            lease_seconds=self.lease_seconds,
            renew_seconds=self.lease_seconds / 3,
        )

    def _claimed(self, record: ImageRecord) -> ClaimedImage:
        return ClaimedImage(
            id=record.id,
            file_path=record.file_path,
            width=1,
            height=1,
            orientation="square",
            lease=str(record.lease),
            lease_until=record.lease_until,
            filename=record.filename,
            attempt=record.attempts,
            suspect=record.suspect,
            byte_size=record.byte_size,
            work=tuple(
                WorkItem(device=str(device.key), recipe=recipe(device.width, device.height)) for device in self.devices
            ),
        )

    def _holder(self, lease: str | None) -> ImageRecord | None:
        for record in self.images.values():
            if lease and record.lease == lease and record.state == "processing":
                return record
        return None

    def _leases(self, action: str, request: LeaseList) -> LeaseAnswer:
        held: list[str] = []
        lost: list[str] = []
        for lease in request.leases:
            record = self._holder(lease)
            (held if record else lost).append(lease)
            if record and action == "renew":
                record.lease_until = time.time() + self.lease_seconds
            if record and action == "release":
                record.state, record.lease, record.attempt_open = "pending", None, False
        if not held:
            raise Rejected(409, "all of these leases are lost")
        return LeaseAnswer(held=tuple(held), lost=tuple(lost), lease_until=time.time() + self.lease_seconds)

    def _start(self, record: ImageRecord, start: AttemptStart) -> AttemptAnswer:
        if self._holder(start.lease) is not record:
            raise Rejected(409, "another task has this image")
        record.attempts += not record.attempt_open
        record.attempt_open = True
        devices = tuple(
            LegacyDevice(name=device.name, width=device.width, height=device.height, orientation="square")
            for device in self.devices
        )
        return AttemptAnswer(attempt=record.attempts, devices=devices)

    def _report(self, report: ProcessedImages) -> ProcessedAnswer:
        self.batches.append(report)
        inserted, errors = 0, []
        for row in report.images:
            record = self.images.get(row.image_id)
            if record is None or not row.lease or record.lease != row.lease or record.state == "failed":
                errors.append(RowError(image_id=row.image_id, device_size=row.device_size, error="lease lost"))
                continue
            record.rows[row.device_size] = row
            inserted += 1
        for outcome in report.outcomes:
            record = self.images.get(outcome.image_id)
            if record is not None and record.lease == outcome.lease and record.state != "failed":
                record.state, record.attempt_open, record.outcome = "complete", False, outcome
                record.reports += 1
        return ProcessedAnswer(inserted=inserted, errors=tuple(errors))

    def _fail(self, record: ImageRecord, failure: Failure) -> Success:
        if record.state == "failed" and record.lease == failure.lease:
            return Success()
        if self._holder(failure.lease) is not record:
            raise Rejected(409, "the lease is lost")
        record.state, record.error, record.attempt_open = "failed", failure.error, False
        record.strikes += failure.strike
        return Success()
