"""The process of a contender. It stays alive between photos and receives requests over a pipe.

A request and its response are one line of JSON each:

    {"do": "hello"}                               versions of the contender and its libraries
    {"do": "prepare", "path", "outputs"}          read the photo into memory, and do all other untimed work
    {"do": "run"}                                 render everything once: cpu_s, wall_s, file_bytes. With "slower": 0.1
                                                  a Python contender uses 10 % more CPU time
    {"do": "many", "paths", "outputs", "in_flight"}   render all photos, `in_flight` at a time: cpu_s, wall_s
    {"do": "files", "folder"}                     write the files of the last run, NAME.jpg
    {"do": "pictures", "folder"}                  write the variants before JPEG encoding, NAME.png

The worker reads its own CPU time (getrusage, or Node's cpuUsage: user and system, with the commands that it ran)
directly before and after the work. The peak memory is read here from /proc, and is reset before each request.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.core.machine import ROOT

START_SECONDS = 60.0
RUN_SECONDS = 120.0
_END_SECONDS = 5.0
_MAX_ANSWER = 1_000_000
_MAX_REASON = 160


class ContenderFailed(Exception):
    """The worker died, did not answer, or sent an invalid response. The message includes the end of its stderr."""


class Rejected(Exception):
    """The contender does not support this request, e.g. a format. Its process continues."""


def peak_rss_mb(pid: int) -> float:
    """Return the peak resident memory in MB (10^6 bytes); 0.0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), 0.0)


class Worker:
    """The process of a contender. A context manager: at its end, the process and its children are gone."""

    def __init__(self, name: str, command: Sequence[str], scratch: Path) -> None:
        self.name = name
        self._stderr = scratch / f"{name}.stderr"
        with self._stderr.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                cwd=ROOT,
                start_new_session=True,
            )
        self._rest = b""
        self.versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.versions = self.ask({"do": "hello"}, START_SECONDS).get("versions", {})
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: dict[str, Any], seconds: float = RUN_SECONDS) -> dict[str, Any]:
        """Send a request and return the response.

        Raises:
            Rejected: The contender does not support the request.
            ContenderFailed: No valid response arrived within `seconds`.
        """
        assert self._process.stdin is not None
        self._reset_peak()
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._failed("has ended") from None
        line = self._line(seconds)
        try:
            answer = json.loads(line)
        except ValueError:
            raise self._failed(f"answered with {line[:80]!r}") from None
        if not isinstance(answer, dict):
            raise self._failed(f"answered with {line[:80]!r}")
        if "error" in answer:
            raise Rejected(f"{self.name}: {' '.join(str(answer['error']).split())[-_MAX_REASON:]}")
        answer["peak_rss_mb"] = max(peak_rss_mb(self._process.pid), float(answer.pop("children_peak_mb", 0.0)))
        return answer

    def close(self) -> None:
        """End the process and its children."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_END_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise self._failed(f"did not answer within {seconds:.0f} s")
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    raise self._failed("has ended")
                self._rest += piece
                if len(self._rest) > _MAX_ANSWER:
                    raise self._failed("sent a response that is too long")
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _failed(self, what: str) -> ContenderFailed:
        text = self._stderr.read_bytes()[-600:].decode(errors="replace").strip()
        return ContenderFailed(f"the contender {self.name} {what}{f': {text}' if text else ''}")

    def _reset_peak(self) -> None:
        # proc(5): writing 5 resets the peak resident size to the current one.
        with contextlib.suppress(OSError):
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
