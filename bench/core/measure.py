"""One contender in a process of its own, kept alive from photo to photo, and asked over pipes.

A request and its answer are one line of JSON each:

    {"do": "hello"}                               versions of what the contender is made of
    {"do": "prepare", "path", "outputs"}          read the photo into memory, and whatever is not to be timed
    {"do": "run"}                                 make everything once: cpu_s, wall_s, file_bytes; with "slower": 0.1
                                                  a Python one then burns a tenth more CPU time
    {"do": "many", "paths", "outputs", "in_flight"}   all photos, so many at a time: cpu_s, wall_s
    {"do": "files", "folder"}                     write the pictures of the last run, NAME.jpg
    {"do": "pictures", "folder"}                  write them as they were before JPEG, NAME.png, if it can

CPU time is the worker's own account (getrusage, or Node's cpuUsage: user and system, with the commands that it
ran), taken directly before and after the work. The largest memory is read here, from /proc, reset before each request.
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
    """The worker died, kept silent or answered with nonsense; the message holds its last words."""


class Refused(Exception):
    """The contender cannot do this one request (a format that it does not read); it lives on."""


class Worker:
    """A contender's process. Use as a context manager; nothing of it is left behind."""

    def __init__(self, name: str, command: Sequence[str], scratch: Path) -> None:
        self.name = name
        self._words = scratch / f"{name}.stderr"
        with self._words.open("wb") as errors:
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
        """The answer to one request. Raises Refused, or ContenderFailed if none comes within `seconds`."""
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
            raise Refused(f"{self.name}: {' '.join(str(answer['error']).split())[-_MAX_REASON:]}")
        answer["peak_rss_mb"] = max(self._peak(), float(answer.pop("children_peak_mb", 0.0)))
        return answer

    def close(self) -> None:
        """End the process and whatever it started."""
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
                    raise self._failed(f"gave no answer for {seconds:.0f} s")
                piece = os.read(self._process.stdout.fileno(), 65536)
                if not piece:
                    raise self._failed("has ended")
                self._rest += piece
                if len(self._rest) > _MAX_ANSWER:
                    raise self._failed("gave an answer without end")
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _failed(self, what: str) -> ContenderFailed:
        words = self._words.read_bytes()[-600:].decode(errors="replace").strip()
        return ContenderFailed(f"the contender {self.name} {what}{f': {words}' if words else ''}")

    def _reset_peak(self) -> None:
        # Documented in proc(5): 5 sets the peak resident size back to what is resident now.
        with contextlib.suppress(OSError):
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _peak(self) -> float:
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0.0
        kilobytes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
        return kilobytes[0] * 1024 / 1e6 if kilobytes else 0.0
