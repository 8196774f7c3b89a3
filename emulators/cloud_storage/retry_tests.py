"""Retry tests: faults that a client asks for by itself, as in Google's storage-testbench.

`POST /retry_test` with `{"instructions": {"storage.objects.get": ["return-503", ...]}}` returns a resource with an id.
Each request with the header `x-retry-test-id: ID` then takes the next instruction of its API method.
`GET /retry_test/ID` reports whether all instructions were used; `DELETE` removes the test.
The forms are those of the README of https://github.com/googleapis/storage-testbench (section "Retry Test API").
Instructions that name a byte of a resumable upload, and those for gRPC, are rejected.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections import deque

from emulators.cloud_storage.faults import Fault

METHODS = {
    "get bucket": "storage.buckets.get",
    "patch bucket": "storage.buckets.patch",
    "list": "storage.objects.list",
    "stat": "storage.objects.get",
    "read": "storage.objects.get",
    "delete": "storage.objects.delete",
    "write": "storage.objects.insert",
    "write part": "storage.objects.insert",
    "rewrite": "storage.objects.rewrite",
}
"""API method of each operation of the emulator."""

FEW_BYTES = 4
"""Bytes that `return-broken-stream` sends before it breaks the connection, as in storage-testbench."""

_STATUS = re.compile(r"return-(\d{3})")
_BROKEN = re.compile(r"return-broken-stream(?:-after-(\d+)K)?")
_STALL = re.compile(r"stall-for-(\d+)s-after-(\d+)K")


def fault_of(instruction: str) -> Fault:
    """Return the fault that an instruction describes. Raises ValueError for one that is not implemented."""
    if match := _STATUS.fullmatch(instruction):
        return Fault("status", status=int(match[1]))
    if instruction == "return-reset-connection":
        return Fault("reset")
    if match := _BROKEN.fullmatch(instruction):
        return Fault("broken", after=int(match[1]) * 1024 if match[1] else FEW_BYTES)
    if match := _STALL.fullmatch(instruction):
        return Fault("stall", seconds=float(match[1]), after=int(match[2]) * 1024)
    raise ValueError(f"the instruction {instruction!r} is not implemented by this emulator")


class RetryTests:
    """The retry tests of one emulator; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tests: dict[str, dict[str, deque[str]]] = {}

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer a request to /retry_test: HTTP status and JSON."""
        identifier = path.removeprefix("/retry_test").strip("/")
        with self._lock:
            if method == "POST" and not identifier:
                try:
                    identifier = self._add(json.loads(body))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    return 400, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
            elif identifier not in self._tests:
                return 404, json.dumps({"error": f"there is no retry test {identifier!r}"}).encode()
            elif method == "DELETE":
                del self._tests[identifier]
                return 200, b"{}"
            waiting = {name: list(left) for name, left in self._tests[identifier].items()}
        resource = {
            "id": identifier,
            "instructions": waiting,
            "transport": "HTTP",
            "completed": not any(waiting.values()),
        }
        return 200, json.dumps(resource).encode()

    def _add(self, request: dict[str, dict[str, list[str]]]) -> str:
        if request.get("transport", "HTTP") != "HTTP":
            raise ValueError(f"the transport {request['transport']!r} is not implemented by this emulator")
        instructions = request["instructions"]
        for name, ordered in instructions.items():
            if name not in METHODS.values():
                raise ValueError(f"the method {name!r} is not implemented by this emulator")
            for instruction in ordered:
                fault_of(instruction)
        identifier = secrets.token_hex(16)
        self._tests[identifier] = {name: deque(ordered) for name, ordered in instructions.items()}
        return identifier

    def next_fault(self, identifier: str | None, operation: str, requested_range: str | None) -> Fault | None:
        """Take the next instruction for a request, if it applies to it.

        Args:
            identifier: Value of the header `x-retry-test-id`.
            operation: Operation of the emulator.
            requested_range: Value of the header `Range`.

        Returns:
            The fault. `after` counts the bytes of this response. None without an instruction, and for an instruction
            of the body if the operation is no download, or begins behind that byte.
        """
        with self._lock:
            waiting = self._tests.get(identifier or "", {}).get(METHODS[operation])
            if not waiting:
                return None
            fault = fault_of(waiting[0])
            if fault.kind in ("broken", "stall"):
                match = re.match(r"bytes=(\d+)-", requested_range or "")
                first = int(match[1]) if match else 0
                after = fault.after if fault.after == FEW_BYTES else fault.after - first
                if operation != "read" or after < 0:
                    return None
                fault = Fault(fault.kind, after=after, seconds=fault.seconds)
            waiting.popleft()
            return fault
