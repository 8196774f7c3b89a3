"""HTTP of the emulated Cloud Storage: routing paths to operations, transferring bodies, injecting faults."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from emulators.cloud_storage.bodies import Request, Response, media_response, parse_upload
from emulators.cloud_storage.faults import Fault, Faults, Link
from emulators.cloud_storage.objects import ObjectStore
from emulators.cloud_storage.resumable import ResumableUploads
from emulators.cloud_storage.retry_tests import RetryTests
from emulators.cloud_storage.rules import ApiError

PIECE = 64 * 1024
MAX_BODY = 256 * 1024 * 1024

_FIELDS = ("Generation", "GenerationNot", "Metageneration", "MetagenerationNot")
_CONDITIONS = {f"if{field}Match" for field in _FIELDS}
_SOURCE_CONDITIONS = {f"ifSource{field}Match" for field in _FIELDS}
_EVERYWHERE = {"prettyPrint", "fields", "projection", "alt"}

# Method, path, name of the operation, and its parameters in addition to those that every operation accepts.
_ROUTES: list[tuple[str, re.Pattern[str], str, set[str]]] = [
    (method, re.compile(path), operation, parameters | _EVERYWHERE)
    for method, path, operation, parameters in [
        ("GET", r"/storage/v1/b/([^/]+)", "get bucket", _CONDITIONS),
        ("PATCH", r"/storage/v1/b/([^/]+)", "patch bucket", _CONDITIONS),
        ("GET", r"/storage/v1/b/([^/]+)/o", "list", {"prefix", "delimiter", "pageToken", "maxResults", "softDeleted"}),
        ("GET", r"/storage/v1/b/([^/]+)/o/([^/]+)", "stat", _CONDITIONS | {"generation", "softDeleted"}),
        ("DELETE", r"/storage/v1/b/([^/]+)/o/([^/]+)", "delete", _CONDITIONS | {"generation"}),
        ("GET", r"/download/storage/v1/b/([^/]+)/o/([^/]+)", "read", _CONDITIONS | {"generation"}),
        ("POST", r"/upload/storage/v1/b/([^/]+)/o", "write", _CONDITIONS | {"uploadType", "name"}),
        ("PUT", r"/upload/storage/v1/b/([^/]+)/o", "write part", {"uploadType", "upload_id"}),
        (
            "POST",
            r"/storage/v1/b/([^/]+)/o/([^/]+)/rewriteTo/b/([^/]+)/o/([^/]+)",
            "rewrite",
            _CONDITIONS | _SOURCE_CONDITIONS | {"sourceGeneration", "rewriteToken"},
        ),
    ]
]


class Emulator(Protocol):
    """State of an emulator, shared by the handlers of all its connections."""

    store: ObjectStore
    faults: Faults
    retry_tests: RetryTests
    link: Link
    denied: set[str]

    def count(self, what: str, number: int = 1) -> None:
        """Count a request, or the bytes of a body."""
        ...

    def report(self) -> dict[str, object]:
        """Return the response to `GET /_emulator`."""
        ...


def _json(value: dict[str, Any]) -> Response:
    return Response(200, json.dumps(value).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def _error_response(error: ApiError) -> Response:
    if error.status == 304:
        return Response(304)
    detail = {"domain": "global", "reason": error.reason, "message": str(error)}
    response = _json({"error": {"code": error.status, "message": str(error), "errors": [detail]}})
    response.status = error.status
    return response


def route(method: str, target: str) -> tuple[str, list[str], dict[str, str]]:
    """Return (operation, decoded path parts, query). Raises ApiError for a request that is not implemented."""
    split = urlsplit(target)
    pairs = parse_qsl(split.query, keep_blank_values=True, strict_parsing=bool(split.query))
    query = dict(pairs)
    for expected, pattern, operation, parameters in _ROUTES:
        if expected == method and (match := pattern.fullmatch(split.path)):
            if unknown := set(query) - parameters:
                raise ApiError(400, "invalidParameter", f"{operation} does not accept {sorted(unknown)}")
            if len(query) != len(pairs):
                raise ApiError(400, "invalidParameter", "a parameter occurs twice")
            return operation, [unquote(part, errors="strict") for part in match.groups()], query
    raise ApiError(501, "notImplemented", f"{method} {split.path} is not implemented by this emulator")


def make_handler(server: Emulator) -> type[BaseHTTPRequestHandler]:
    """Create the handler class of one server."""
    store = server.store
    uploads = ResumableUploads(store)

    def perform(request: Request) -> Response:
        if request.operation in server.denied:
            raise ApiError(403, "forbidden", f"the caller does not have the permission to {request.operation}")
        first = request.parts[0]
        match request.operation:
            case "get bucket":
                return _json(store.bucket(first).resource())
            case "patch bucket":
                return _json(store.patch_bucket(first, request.query, json.loads(request.body)))
            case "list":
                return _json(store.page(first, request.query))
            case "stat" if request.query.get("softDeleted") == "true":
                return _json(store.soft_deleted(first, request.parts[1], request.query))
            case "stat":
                return _json(store.get(first, request.parts[1], request.query).resource())
            case "delete":
                store.delete(first, request.parts[1], request.query)
                return Response(204)
            case "read":
                return media_response(store.get(first, request.parts[1], request.query), request.headers.get("Range"))
            case "write" if request.query.get("uploadType") == "resumable":
                return uploads.begin(request)
            case "write part":
                received = uploads.receive(request, may_delete=may_delete)
                return received if isinstance(received, Response) else _json(received.resource())
            case "write":
                metadata, data = parse_upload(request)
                name = str(metadata.get("name", ""))
                written = store.put(first, name, data, metadata, request.query, may_delete=may_delete())
                return _json(written.resource())
            case _:
                source, target = request.parts[:2], request.parts[2:]
                metadata = json.loads(request.body or b"{}")
                return _json(
                    store.rewrite(
                        (source[0], source[1]),
                        (target[0], target[1]),
                        request.query,
                        metadata,
                        may_delete=may_delete(),
                    )
                )

    def may_delete() -> bool:
        return "delete" not in server.denied

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_request(self) -> None:
            if self.path == "/_emulator":
                self._send(_json(server.report()), None)
                return
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY:
                self._hang_up()
                return
            body = self._received(length)
            if self.path.startswith("/retry_test"):
                status, answer = server.retry_tests.respond(self.command, self.path, body)
                self._send(Response(status, answer, {"Content-Type": "application/json"}), None)
                return
            server.link.wait_for_response()
            fault = None
            try:
                operation, parts, query = route(self.command, self.path)
                server.count(operation)
                server.count("bytes up", len(body))
                fault = server.faults.of(operation) or server.retry_tests.next_fault(
                    self.headers.get("x-retry-test-id"), operation, self.headers.get("Range")
                )
                if fault and fault.kind == "status":
                    raise ApiError(fault.status, "backendError", "injected fault")
                if fault and fault.kind == "reset":
                    self._hang_up()
                    return
                response = perform(Request(operation, parts, query, body, self.headers))
            except ApiError as error:
                response = _error_response(error)
            except (ValueError, KeyError) as error:
                response = _error_response(ApiError(400, "invalid", f"{type(error).__name__}: {error}"))
            if fault and fault.kind == "lost answer":
                self._hang_up()
            else:
                self._send(response, fault)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_request

        def _received(self, length: int) -> bytes:
            pieces, passed_at = [], None
            for start in range(0, length, PIECE):
                pieces.append(self.rfile.read(min(PIECE, length - start)))
                passed_at = server.link.carry("up", len(pieces[-1]), passed_at)
            return b"".join(pieces)

        def _send(self, response: Response, fault: Fault | None) -> None:
            body = response.body
            self.send_response(response.status)
            for key, value in response.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault and fault.kind == "corrupt" and body:
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 16]) + body[middle + 1 :]
            ends = [len(body)]
            if fault and fault.kind in ("stall", "broken"):
                ends = [min(fault.after, len(body)), len(body)]
            begin, passed_at = 0, None
            for end in ends:
                for start in range(begin, end, PIECE):
                    piece = body[start : min(start + PIECE, end)]
                    passed_at = server.link.carry("down", len(piece), passed_at)
                    self.wfile.write(piece)
                    server.count("bytes down", len(piece))
                begin = end
                if fault and fault.kind == "broken":
                    self._hang_up()
                    return
                if fault and fault.kind == "stall" and end == ends[0]:
                    time.sleep(fault.seconds)

        def _hang_up(self) -> None:
            """Reset the connection, so that no client takes it for a regular end."""
            self.close_connection = True
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def log_message(self, format: str, *args: object) -> None:
            """Write no log: `requests` and `faults` count what happened."""

    return Handler
