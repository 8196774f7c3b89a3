"""Processes of a run: a backend behind a faulty network, and an emulated Cloud Run whose tasks are killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from bench.system.backend import ROOT, MeasuredBackend
from contract.machine import free_port
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import JobsServer, running_jobs_server
from slideshow.client.local_backend import announcement, stored_password
from slideshow.errors import CommandFailed
from tests.faults.checks import watch_completions
from tests.faults.fault_plan import FaultPlan
from tests.faults.proxy import FaultyProxy

JOB = "projects/chaos/locations/here/jobs/slideshow-processor"
LEASE_SECONDS = 3.0
START_SECONDS = 120.0
CALL_SECONDS = 60.0
REPLACED = 3
"""Exit code of a backend that ended because another one became active."""
RETRIES = 10
"""Maximum of Cloud Run, because far more tasks are killed here than on the real platform."""


class Environment:
    """Processes of a run, used as a context manager; inside it the backend is ready and empty."""

    jobs: JobsServer
    proxy: FaultyProxy

    def __init__(
        self, data: Path, plan: FaultPlan, *, network_faults: float, max_tasks: int, fleeting: bool = False
    ) -> None:
        """Describe the processes. With `fleeting` the database does not outlive its backend, as on Cloud Run."""
        self.data = data
        self._fleeting = fleeting
        self._starting = threading.Lock()
        self._ended = threading.Event()
        self._second_backends = 0
        self.plan = plan
        self.log = data.with_name(f"{data.name}.log")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._network_faults = network_faults
        self._max_tasks = max_tasks
        self._exit_stack = contextlib.ExitStack()
        self._sink: IO[bytes]
        self._backend: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._exit_stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit_stack.close()

    def _open(self) -> None:
        self.data.mkdir(parents=True)
        self._sink = self._exit_stack.enter_context(self.log.open("ab"))
        self.proxy = self._exit_stack.enter_context(
            FaultyProxy(f"127.0.0.1:{self.port}", self.plan, self._network_faults)
        )
        environment = {
            **MeasuredBackend.inherited(),
            **self.plan.environment(),
            "BUCKET_URL": (self.data / "bucket").as_uri(),
            "BACKEND_API_URL": self.proxy.url,
            "RENDER_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        secrets: dict[str, str] = {}
        definition = JobDefinition(
            command=[sys.executable, "-m", "tests.faults.task"],
            environment=environment,
            secrets=secrets,
            retries=RETRIES,
            folder=str(ROOT),
        )
        self.jobs = self._exit_stack.enter_context(running_jobs_server(JOB, definition, output=self._sink))
        self._exit_stack.callback(self.stop_backend)
        self.start_backend()
        secrets["BACKEND_AUTH_TOKEN"] = _processor_token(self.data)
        if self._fleeting:
            keeper = threading.Thread(target=self._restart_replaced)
            keeper.start()
            self._exit_stack.callback(keeper.join)
            self._exit_stack.callback(self._ended.set)
        else:
            watch_completions(self.data / "slideshow.db")

    def _restart_replaced(self) -> None:
        """Start the backend again whenever it has ended because another one became active, as a platform does."""
        while not self._ended.wait(0.1):
            with self._starting:
                if not self._ended.is_set() and self._backend is not None and self._backend.poll() == REPLACED:
                    self._start_backend()

    def start_backend(self) -> None:
        """Start the backend and wait until it answers. Raises CommandFailed."""
        with self._starting:
            self._start_backend()

    def kill_second_backend(self) -> None:
        """Start a second backend on the same bucket, kill it once it accepts changes, and remove its disk."""
        self._second_backends += 1
        data = self.data.with_name(f"second-{self._second_backends}")
        data.mkdir()
        shutil.copy(self.data / "secrets.json", data)
        log = data / "backend.log"
        with log.open("wb") as sink:
            process = self._spawn(data, free_port(), sink)
        deadline = time.monotonic() + START_SECONDS
        accepting = False
        while process.poll() is None and time.monotonic() < deadline and not accepting:
            time.sleep(0.05)
            accepting = b"accepting changes with fencing token" in log.read_bytes()
        process.kill()
        process.wait(10)
        if not accepting:
            raise CommandFailed(f"the second backend did not accept changes; see {log}")
        shutil.rmtree(data)

    def _settings(self, data: Path, port: int) -> dict[str, str]:
        _, project, _, region, _, job = JOB.split("/")
        fleeting = {"DATABASE_DURABLE": "no", "SNAPSHOT_DELAY_SECONDS": "1"} if self._fleeting else {}
        return {
            "SLIDESHOW_DATA": str(data),
            "BUCKET_URL": (self.data / "bucket").as_uri(),
            "PORT": str(port),
            **fleeting,
            "GCP_PROJECT_ID": project,
            "GCP_REGION": region,
            "PROCESSOR_JOB_NAME": job,
            "CLOUD_RUN_ENDPOINT": self.jobs.grpc_url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "TICK_SECONDS": "0.3",
            "BATCH_SIZE": "4",
            "FLUSH_DELAY_SECONDS": "1",
            "SYNC_INTERVAL_SECONDS": "1",
            "MAX_TASKS": str(self._max_tasks),
            "TASKS_PREFER": "latency",
        }

    def _spawn(self, data: Path, port: int, sink: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {**MeasuredBackend.inherited(), **self.plan.environment(), **self._settings(data, port)}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )

    def _start_backend(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:  # a fault may end the start, which a platform would repeat
            self._backend = self._spawn(self.data, self.port, self._sink)
            while self._backend.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return
                time.sleep(0.05)
        raise CommandFailed(f"the backend did not answer within {START_SECONDS:.0f} s; see {self.log}")

    def _answers(self) -> bool:
        announced = announcement(self.data)
        if announced is None or self._backend is None or announced.pid != self._backend.pid:
            return False
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/_health", timeout=2.0, trust_env=False).status_code == 200
        return False

    def kill_backend(self) -> None:
        """Kill the backend with SIGKILL."""
        if self._backend is not None:
            self._backend.kill()
            self._backend.wait(10)

    def stop_backend(self) -> None:
        """Stop the backend with SIGTERM, as a platform does. Raises CommandFailed if it does not end."""
        self._ended.set()
        if self._backend is not None and self._backend.poll() is None:
            self._backend.send_signal(signal.SIGTERM)
            try:
                self._backend.wait(30)
            except subprocess.TimeoutExpired:
                self.kill_backend()
                raise CommandFailed(f"the backend did not end within 30 s of SIGTERM; see {self.log}") from None

    def kill_task(self, number: int) -> bool:
        """Kill one of the running tasks with SIGKILL. Return False if no task is running."""
        running = [process for execution in self.jobs.model.executions for process in execution.running()]
        if not running:
            return False
        os.kill(running[number % len(running)].pid, signal.SIGKILL)
        return True

    def password(self) -> str:
        """Return the admin password."""
        return stored_password(self.data)

    def logged_in(self) -> httpx.Client:
        """Return a client with an admin session that bypasses the faulty network."""
        client = httpx.Client(base_url=self.url, timeout=CALL_SECONDS, trust_env=False)
        deadline = time.monotonic() + START_SECONDS
        while (answer := client.post("/login", json={"password": self.password()})).status_code == 503:
            if time.monotonic() > deadline:  # a database that does not outlive its backend is still being loaded
                break
            time.sleep(0.2)
        answer.raise_for_status()
        return client


def _processor_token(data: Path) -> str:
    from backend.embedded import load_secrets

    return load_secrets(data).processor_token
