"""The backend of a data folder: whether one runs, and one that the demo starts and ends itself."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from contract.messages import DECODE_ERRORS
from slideshow.client.http import Client
from slideshow.errors import BackendEnded, CommandFailed

START_SECONDS = 30.0
STOP_SECONDS = 15.0
"""How long the backend may take to end its tasks and itself before it is killed."""
LOG_LIMIT_BYTES = 10_000_000
_LAST_BYTES = 4_000
_LAST_LINES = 12

# What would send the demo's backend to somebody's real bucket, database or job.
_NOT_INHERITED = frozenset(
    {
        "BUCKET_URL",
        "GCS_BUCKET_NAME",
        "DATABASE_URL",
        "DATABASE_DURABLE",
        "BACKEND_API_URL",
        "PROCESSOR_AUTH_TOKEN",
        "PROCESSOR_AUTH_TOKEN_PREVIOUS",
        "ADMIN_PASSWORD",
        "METRICS_TOKEN",
        "HOST",
        "PORT",
        "GCP_PROJECT_ID",
        "K_SERVICE",
        "CLOUD_RUN_JOB",
    }
)


class Announcement(msgspec.Struct, frozen=True):
    """What a backend writes into backend.json of its data folder while it listens."""

    pid: int
    url: str
    started_at: float


class _Secrets(msgspec.Struct, frozen=True):
    admin_password: str


def announcement(data: Path) -> Announcement | None:
    """What the last backend of this folder announced, or None; it may have died since."""
    try:
        return msgspec.json.decode((data / "backend.json").read_bytes(), type=Announcement)
    except (FileNotFoundError, *DECODE_ERRORS):  # being written just now, or a backend that ended
        return None


def kept_password(data: Path) -> str:
    """The admin password of an embedded backend. Raises CommandFailed if it cannot be read."""
    path = data / "secrets.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Secrets).admin_password
    except OSError as error:
        raise CommandFailed(f"{path}: the password cannot be read: {error.strerror}") from error
    except DECODE_ERRORS as error:
        raise CommandFailed(f"{path} is damaged ({error}); remove it and start the backend again") from error


@contextmanager
def only_demo(data: Path) -> Iterator[None]:
    """Hold the data folder for one demo. Raises CommandFailed if a demo or a backend works in it.

    Both locks are the operating system's and end with their process, however that ends.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        held = (data / "demo.lock").open("w")
    except OSError as error:
        raise CommandFailed(f"{data} cannot be used as data folder: {error.strerror}") from error
    with held:
        if not _lock(held.fileno()):
            raise CommandFailed(f"another demo runs in {data}; wait for it, or give another folder with --data")
        with (data / "backend.lock").open("a") as backend_lock:
            free = _lock(backend_lock.fileno())
        if not free:
            told = announcement(data)
            which = f" (process {told.pid}, {told.url})" if told else ""
            raise CommandFailed(f"a backend already runs in {data}{which}; end it, or give another folder with --data")
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class BackendProcess:
    """`python -m backend` on a data folder, with its log in `backend.log` there."""

    def __init__(self, data: Path, environ: Mapping[str, str], settings: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it answers. Raises BackendEnded or CommandFailed; then nothing is left running.

        `settings` are given to it as they are. One that is not embedded announces itself nowhere: they name its PORT.
        """
        self.data = data
        self._port = (settings or {}).get("PORT")
        self.log = data / "backend.log"
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(data / "backend.log.1")
        kept = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
        with self.log.open("ab") as log:
            self._log_begin = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend"],
                # The folder that holds our packages: whatever lies where we were called is not the backend.
                cwd=Path(__file__).resolve().parents[2],
                env={"LEASE_SECONDS": "3", **kept, "SLIDESHOW_DATA": str(data.absolute()), **(settings or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Its own group: Ctrl-C in the terminal comes to us alone, and we end it in order.
                process_group=0,
            )
        try:
            self.url = self._wait_until_it_answers(time.monotonic() + START_SECONDS)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait_until_it_answers(self, deadline: float) -> str:
        while time.monotonic() < deadline:
            self.check()
            url = self._address()
            if url is not None:
                with Client(url) as client:
                    if client.is_healthy():
                        return url
            time.sleep(0.02)
        raise CommandFailed(f"the backend did not answer within {START_SECONDS:.0f} s; see {self.log}")

    def _address(self) -> str | None:
        """Where it listens, or will; None while it has not said."""
        if self._port:
            return f"http://127.0.0.1:{self._port}"
        told = announcement(self.data)
        return told.url if told is not None and told.pid == self.pid else None

    def check(self) -> None:
        """Raises BackendEnded, with the end of its log, if it runs no more."""
        code = self._process.poll()
        if code is not None:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise BackendEnded(f"the backend {how}. The end of its log ({self.log}):\n{self.last_lines()}")

    def last_lines(self) -> str:
        """The last lines that this process logged."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_begin, end - _LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:]) or "  (it said nothing)"

    def wait(self, seconds: float) -> bool:
        """Whether it ends within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> int:
        """Ask it to end, and after 15 s, or when interrupted again, make it; its exit code."""
        try:
            self._process.terminate()
            if not self.wait(STOP_SECONDS):
                self._process.kill()
        except KeyboardInterrupt:
            self._process.kill()
        return self._process.wait(STOP_SECONDS)

    def cpu_seconds(self) -> float:
        """CPU that it and its ended tasks used; 0.0 where /proc does not say (proc(5), stat, fields 14 to 17)."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = stat[stat.rindex(")") + 2 :].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
