"""HTTP of the imitated Google Cloud Storage: paths to operations, bodies in and out, faults on the way."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from emulators.cloud_storage.bodies import Answer, Call, media, parts_of_upload
from emulators.cloud_storage.faults import Fault, Faults, Link
from emulators.cloud_storage.objects import ObjectStore, Refusal

PIECE = 64 * 1024
MAX_BODY = 256 * 1024 * 1024

_CONDITIONS = {f"if{side}Match" for side in ("Generation", "GenerationNot", "Metageneration", "MetagenerationNot")}
_EVERYWHERE = {"prettyPrint", "fields", "projection", "alt"}

# method, path, the operation's name, and the parameters that it takes beside those that all take
_ROUTES: list[tuple[str, re.Pattern[str], str, set[str]]] = [
    (method, re.compile(path), operation, parameters | _EVERYWHERE)
    for method, path, operation, parameters in [
        ("GET", r"/storage/v1/b/([^/]+)", "get bucket", _CONDITIONS),
        ("PATCH", r"/storage/v1/b/([^/]+)", "patch bucket", _CONDITIONS),
        ("GET", r"/storage/v1/b/([^/]+)/o", "list", {"prefix", "delimiter", "pageToken", "maxResults"}),
        ("GET", r"/storage/v1/b/([^/]+)/o/([^/]+)", "stat", _CONDITIONS | {"generation"}),
        ("DELETE", r"/storage/v1/b/([^/]+)/o/([^/]+)", "delete", _CONDITIONS | {"generation"}),
        ("GET", r"/download/storage/v1/b/([^/]+)/o/([^/]+)", "read", _CONDITIONS | {"generation"}),
        ("POST", r"/upload/storage/v1/b/([^/]+)/o", "write", _CONDITIONS | {"uploadType", "name"}),
        (
            "POST",
            r"/storage/v1/b/([^/]+)/o/([^/]+)/rewriteTo/b/([^/]+)/o/([^/]+)",
            "rewrite",
            _CONDITIONS | {"sourceGeneration", "ifSourceGenerationMatch", "rewriteToken"},
        ),
    ]
]


class Emulator(Protocol):
    """State of an emulator, shared by the handlers of all its connections."""

    store: ObjectStore
    faults: Faults
    link: Link
    denied: set[str]

    def count(self, what: str, number: int = 1) -> None:
        """Count a request, or the bytes of a body."""
        ...

    def report(self) -> dict[str, object]:
        """Return what `GET /_imitation` answers."""
        ...


def _json(found: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(found).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def _refused(refusal: Refusal) -> Answer:
    told = {"domain": "global", "reason": refusal.reason, "message": str(refusal)}
    answer = _json({"error": {"code": refusal.status, "message": str(refusal), "errors": [told]}})
    answer.status = refusal.status
    return answer


def routed(method: str, target: str) -> tuple[str, list[str], dict[str, str]]:
    """(operation, path parts decoded, query) of a request. Raises Refusal for what the imitation does not do."""
    split = urlsplit(target)
    pairs = parse_qsl(split.query, keep_blank_values=True, strict_parsing=bool(split.query))
    asked = dict(pairs)
    for wanted, pattern, operation, parameters in _ROUTES:
        if wanted == method and (match := pattern.fullmatch(split.path)):
            if unknown := set(asked) - parameters:
                raise Refusal(400, "invalidParameter", f"{operation} takes no {sorted(unknown)}")
            if len(asked) != len(pairs):
                raise Refusal(400, "invalidParameter", "a parameter is given twice")
            return operation, [unquote(part, errors="strict") for part in match.groups()], asked
    raise Refusal(501, "notImplemented", f"{method} {split.path} is nothing that the programs should ask")


def make_handler(server: Emulator) -> type[BaseHTTPRequestHandler]:
    """The handler of one server's requests."""
    store = server.store

    def done(call: Call) -> Answer:
        if call.operation in server.denied:
            raise Refusal(403, "forbidden", f"the caller does not have the permission to {call.operation}")
        first = call.parts[0]
        match call.operation:
            case "get bucket":
                return _json(store.bucket(first).resource())
            case "patch bucket":
                return _json(store.patch_bucket(first, call.asked, json.loads(call.body)))
            case "list":
                return _json(store.page(first, call.asked))
            case "stat":
                return _json(store.get(first, call.parts[1], call.asked).resource())
            case "delete":
                store.delete(first, call.parts[1], call.asked)
                return Answer(204)
            case "read":
                return media(store.get(first, call.parts[1], call.asked), call.headers.get("Range"))
            case "write":
                metadata, data = parts_of_upload(call)
                return _json(store.put(first, str(metadata.get("name", "")), data, metadata, call.asked).resource())
            case _:
                return rewritten(call)

    def rewritten(call: Call) -> Answer:
        wanted = {"generation": call.asked["sourceGeneration"]} if "sourceGeneration" in call.asked else {}
        size = str(len(store.get(call.parts[0], call.parts[1], wanted).data))
        if "rewriteToken" not in call.asked:  # the service takes two calls for what is large or goes far
            told = {"totalBytesRewritten": "0", "objectSize": size, "done": False, "rewriteToken": "go on"}
            return _json({"kind": "storage#rewriteResponse", **told})
        copy = store.rewrite((call.parts[0], call.parts[1]), (call.parts[2], call.parts[3]), call.asked)
        told = {"totalBytesRewritten": size, "objectSize": size, "done": True, "resource": copy.resource()}
        return _json({"kind": "storage#rewriteResponse", **told})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            if self.path == "/_imitation":
                self._send(_json(server.report()), None)
                return
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY:
                self._hang_up()
                return
            body = self._received(length)
            server.link.wait_for_answer()
            fault = None
            try:
                operation, parts, asked = routed(self.command, self.path)
                server.count(operation)
                server.count("bytes up", len(body))
                fault = server.faults.of(operation)
                if fault and fault.kind == "status":
                    raise Refusal(fault.status, "backendError", "ordered to fail")
                if fault and fault.kind == "reset":
                    self._hang_up()
                    return
                answer = done(Call(operation, parts, asked, body, self.headers))
            except Refusal as refusal:
                answer = _refused(refusal)
            except (ValueError, KeyError) as error:
                answer = _refused(Refusal(400, "invalid", f"{type(error).__name__}: {error}"))
            if fault and fault.kind == "lost answer":
                self._hang_up()
            else:
                self._send(answer, fault)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

        def _received(self, length: int) -> bytes:
            pieces, passed = [], None
            for start in range(0, length, PIECE):
                pieces.append(self.rfile.read(min(PIECE, length - start)))
                passed = server.link.carry("up", len(pieces[-1]), passed)
            return b"".join(pieces)

        def _send(self, answer: Answer, fault: Fault | None) -> None:
            body = answer.body
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault and fault.kind == "corrupt" and body:
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 16]) + body[middle + 1 :]
            ends = [len(body)]
            if fault and fault.kind in ("stall", "broken"):
                ends = [min(fault.after, len(body)), len(body)]
            begin, passed = 0, None
            for end in ends:
                for start in range(begin, end, PIECE):
                    piece = body[start : min(start + PIECE, end)]
                    passed = server.link.carry("down", len(piece), passed)
                    self.wfile.write(piece)
                    server.count("bytes down", len(piece))
                begin = end
                if fault and fault.kind == "broken":
                    self._hang_up()
                    return
                if fault and fault.kind == "stall" and end == ends[0]:
                    time.sleep(fault.seconds)

        def _hang_up(self) -> None:
            """End the connection with a reset, which nobody takes for an end in order."""
            self.close_connection = True
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: `requests` and `faults` say what happened."""

    return Handler
