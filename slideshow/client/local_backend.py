"""Backend processes on this machine: the backend of a data folder, and backends that a command starts and stops."""

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
"""The time that a backend has to end its tasks and itself before it is killed."""
LOG_LIMIT_BYTES = 10_000_000
_LAST_BYTES = 4_000
_LAST_LINES = 12

# Variables that would connect the started backend to a real bucket, database or job.
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
    """Content of backend.json, which an embedded backend writes into its data folder while it listens."""

    pid: int
    url: str
    started_at: float


class _Secrets(msgspec.Struct, frozen=True):
    admin_password: str


def announcement(data: Path) -> Announcement | None:
    """Return the announcement of the folder's backend, or None. The process may have died since."""
    try:
        return msgspec.json.decode((data / "backend.json").read_bytes(), type=Announcement)
    except (FileNotFoundError, *DECODE_ERRORS):  # the backend ended, or is writing the file right now
        return None


def stored_password(data: Path) -> str:
    """Return the generated admin password of an embedded backend.

    Raises:
        CommandFailed: The password cannot be read.
    """
    path = data / "secrets.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Secrets).admin_password
    except OSError as error:
        raise CommandFailed(f"{path}: the password cannot be read: {error.strerror}") from error
    except DECODE_ERRORS as error:
        raise CommandFailed(f"{path} is damaged ({error}); remove it and start the backend again") from error


@contextmanager
def only_demo(data: Path) -> Iterator[None]:
    """Lock the data folder for one demo. The operating system releases both locks when their process ends.

    Raises:
        CommandFailed: A demo or a backend already runs in the folder.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # database, log and photos are private
        demo_lock = (data / "demo.lock").open("w")
    except OSError as error:
        raise CommandFailed(f"{data} cannot be used as data folder: {error.strerror}") from error
    with demo_lock:
        if not _lock(demo_lock.fileno()):
            raise CommandFailed(f"another demo runs in {data}; wait for it, or select another folder with --data")
        with (data / "backend.lock").open("a") as backend_lock:
            free = _lock(backend_lock.fileno())
        if not free:
            announced = announcement(data)
            which = f" (process {announced.pid}, {announced.url})" if announced else ""
            raise CommandFailed(
                f"a backend already runs in {data}{which}; stop it, or select another folder with --data"
            )
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class BackendProcess:
    """A backend in a process of its own, on a data folder. It logs to `backend.log` in that folder."""

    def __init__(
        self,
        data: Path,
        environ: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        *,
        module: str = "backend",
    ) -> None:
        """Start the backend and wait until it answers. No process is left running after an error.

        Args:
            data: The data folder, which exists.
            environ: Variables to inherit, except those that name a real bucket, database or job.
            settings: More variables, passed unchanged. They must include PORT for a backend that is not
                embedded, because only an embedded backend announces its address.
            module: The Python module to run.

        Raises:
            BackendEnded: The backend ended during its start.
            CommandFailed: The backend did not answer in time.
        """
        self.data = data
        self._port = (settings or {}).get("PORT")
        self.log = data / "backend.log"
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(data / "backend.log.1")
        inherited = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
        with self.log.open("ab") as log:
            os.fchmod(log.fileno(), 0o600)  # it contains names of photos
            self._log_begin = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                # The folder that contains our packages, so that a `backend` in the current folder is not imported.
                cwd=Path(__file__).resolve().parents[2],
                env={**inherited, "SLIDESHOW_DATA": str(data.absolute()), **(settings or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A separate group: Ctrl-C reaches only the command, which stops the backend in order.
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
        """Return the address of the backend, or None until it is announced."""
        if self._port:
            return f"http://127.0.0.1:{self._port}"
        announced = announcement(self.data)
        return announced.url if announced is not None and announced.pid == self.pid else None

    def check(self) -> None:
        """Raise BackendEnded, with the end of the log, if the process has ended."""
        code = self._process.poll()
        if code is not None:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise BackendEnded(f"the backend {how}. The end of its log ({self.log}):\n{self.last_lines()}")

    def last_lines(self) -> str:
        """Return the last lines that this process logged."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_begin, end - _LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:]) or "  (no log lines)"

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the process to end, and return True if it did."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> int:
        """Terminate the process, and return its exit code. It is killed after 15 s, or on a second Ctrl-C."""
        try:
            self._process.terminate()
            if not self.wait(STOP_SECONDS):
                self._process.kill()
        except KeyboardInterrupt:
            self._process.kill()
        return self._process.wait(STOP_SECONDS)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process and its ended tasks (proc(5), stat, fields 14 to 17).

        Without /proc, return 0.0.
        """
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = stat[stat.rindex(")") + 2 :].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
