"""The processes of a broken run: a backend behind a bad network, and a Cloud Run on which its tasks die."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from bench.core.ports import free_port
from bench.system.backend import ROOT, MeasuredBackend
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.server import JobsServer, running_jobs_server
from slideshow.client.local_backend import announcement, kept_password
from slideshow.errors import CommandFailed
from tests.faults.checks import watch_completions
from tests.faults.fault_plan import FaultPlan
from tests.faults.proxy import ChaosProxy

JOB = "projects/chaos/locations/here/jobs/slideshow-processor"
LEASE_SECONDS = 3.0
START_SECONDS = 60.0
CALL_SECONDS = 60.0
RETRIES = 10
"""The most that Cloud Run takes: what is killed here is more than a real platform kills."""


class Environment:
    """Use as a context manager: the backend answers, and nothing has been uploaded yet."""

    jobs: JobsServer
    proxy: ChaosProxy

    def __init__(self, data: Path, orders: FaultPlan, *, network_faults: float, most_tasks: int) -> None:
        self.data = data
        self.orders = orders
        self.log = data.with_name(f"{data.name}.log")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._network_faults = network_faults
        self._most_tasks = most_tasks
        self._endings = contextlib.ExitStack()
        self._sink: IO[bytes]
        self._backend: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._endings.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._endings.close()

    def _open(self) -> None:
        self.data.mkdir(parents=True)
        self._sink = self._endings.enter_context(self.log.open("ab"))
        self.proxy = self._endings.enter_context(
            ChaosProxy(f"127.0.0.1:{self.port}", self.orders, self._network_faults)
        )
        environment = {
            **MeasuredBackend.inherited(),
            **self.orders.environment(),
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
        self.jobs = self._endings.enter_context(running_jobs_server(JOB, definition, output=self._sink))
        self._endings.callback(self.stop_backend)
        self.start_backend()
        secrets["BACKEND_AUTH_TOKEN"] = _processor_token(self.data)
        watch_completions(self.data / "slideshow.db")

    def start_backend(self) -> None:
        """Start it and wait until it answers. Raises CommandFailed."""
        _, project, _, region, _, job = JOB.split("/")
        settings = {
            "SLIDESHOW_DATA": str(self.data),
            "PORT": str(self.port),
            "GCP_PROJECT_ID": project,
            "GCP_REGION": region,
            "PROCESSOR_JOB_NAME": job,
            "CLOUD_RUN_ENDPOINT": self.jobs.grpc_url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "TICK_SECONDS": "0.3",
            "BATCH_SIZE": "4",
            "FLUSH_DELAY_SECONDS": "1",
            "SYNC_INTERVAL_SECONDS": "1",
            "MAX_TASKS": str(self._most_tasks),
            "TASKS_PREFER": "latency",
        }
        environment = {**MeasuredBackend.inherited(), **self.orders.environment(), **settings}
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:  # the faults may meet its start, which a platform would repeat
            self._backend = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.serve"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._sink,
                stderr=self._sink,
            )
            while self._backend.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return
                time.sleep(0.05)
        raise CommandFailed(f"the backend did not answer within {START_SECONDS:.0f} s; see {self.log}")

    def _answers(self) -> bool:
        told = announcement(self.data)
        if told is None or self._backend is None or told.pid != self._backend.pid:
            return False
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/_health", timeout=2.0, trust_env=False).status_code == 200
        return False

    def kill_backend(self) -> None:
        """It dies without a word."""
        if self._backend is not None:
            self._backend.kill()
            self._backend.wait(10)

    def stop_backend(self) -> None:
        """Ask it to end, as a platform does."""
        if self._backend is not None and self._backend.poll() is None:
            self._backend.send_signal(signal.SIGTERM)
            try:
                self._backend.wait(30)
            except subprocess.TimeoutExpired:
                self.kill_backend()
                raise CommandFailed(f"the backend did not end when asked to; see {self.log}") from None

    def kill_task(self, number: int) -> bool:
        """One of the tasks that run now dies without a word; False if there is none."""
        running = [process for execution in self.jobs.model.executions for process in execution.running()]
        if not running:
            return False
        os.kill(running[number % len(running)].pid, signal.SIGKILL)
        return True

    def logged_in(self) -> httpx.Client:
        """A client with an admin's session, past the proxy."""
        client = httpx.Client(base_url=self.url, timeout=CALL_SECONDS, trust_env=False)
        client.post("/login", json={"password": kept_password(self.data)}).raise_for_status()
        return client


def _processor_token(data: Path) -> str:
    from backend.embedded import load_secrets

    return load_secrets(data).processor_token
