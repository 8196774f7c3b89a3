"""Execution of an emulated Cloud Run job: its tasks are real processes with retries and a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO

import msgspec
from google.cloud import run_v2
from google.protobuf import duration_pb2
from msgspec import Struct

TERM_GRACE_SECONDS = 10.0


class JobDefinition(Struct, frozen=True, kw_only=True):
    """A deployed job: its command, environment and limits.

    Attributes:
        command: Command of a task.
        environment: Environment variables of the tasks.
        secrets: Further variables; the job and its executions show only their names.
        timeout_seconds: Time limit of an attempt.
        retries: Further attempts of a failed task.
        tasks: Task count of a start without an override.
        parallelism: Number of tasks that may run at the same time; 0 means no limit.
        term_grace_seconds: Time between SIGTERM and SIGKILL.
        folder: Working directory of the tasks.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = {}
    timeout_seconds: float = 900.0
    retries: int = 3
    tasks: int = 1
    parallelism: int = 0
    term_grace_seconds: float = TERM_GRACE_SECONDS
    folder: str | None = None

    def env_vars(self) -> list[run_v2.EnvVar]:
        """Return the environment as the API shows it, without the values of secrets."""
        plain_vars = [run_v2.EnvVar(name=name, value=value) for name, value in self.environment.items()]
        secret_vars = [
            run_v2.EnvVar(
                name=name,
                value_source=run_v2.EnvVarSource(secret_key_ref=run_v2.SecretKeySelector(secret=name.lower())),
            )
            for name in self.secrets
        ]
        return plain_vars + secret_vars


def env_overrides(request: run_v2.RunJobRequest) -> dict[str, str]:
    """Return the environment variables that a start overrides."""
    return {
        variable.name: variable.value
        for container in request.overrides.container_overrides
        for variable in container.env
    }


class RunningExecution:
    """Starts `tasks` processes and follows each in a thread; `resource()` returns the current state."""

    def __init__(
        self,
        job: str,
        number: str,
        definition: JobDefinition,
        overrides: Mapping[str, str],
        tasks: int,
        *,
        timeout_seconds: float | None = None,
        output: IO[bytes] | None = None,
        start_seconds: float = 0.0,
    ) -> None:
        """Start the tasks.

        Args:
            job: Full name of the job.
            number: Suffix that identifies this execution.
            definition: The job.
            overrides: Environment variables of this start.
            tasks: Number of tasks.
            timeout_seconds: Time limit of an attempt that replaces the job's.
            output: Receives the output of the tasks.
            start_seconds: Delay before the tasks begin, like the start of a container.
        """
        self.short_name = f"{job.rpartition('/')[2]}-{number}"
        self.name = f"{job}/executions/{self.short_name}"
        self._job = job
        if timeout_seconds is not None:
            definition = msgspec.structs.replace(definition, timeout_seconds=timeout_seconds)
        self._definition = definition
        self._overrides = dict(overrides)
        self._tasks = tasks
        self._output = output
        self._start_seconds = start_seconds
        self._created = datetime.now(UTC)
        self._completed: datetime | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._parallelism = definition.parallelism or tasks
        self._slots = threading.Semaphore(self._parallelism)
        self._ends: dict[int, str | None] = {}
        self._retried: set[int] = set()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.attempts: list[tuple[int, int]] = []
        self._threads = [threading.Thread(target=self._task, args=(index,), daemon=True) for index in range(tasks)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Terminate its processes and wait for them."""
        self._ending.set()
        with self._lock:
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        for thread in self._threads:
            thread.join(self._definition.term_grace_seconds + 10.0)

    def running(self) -> list[subprocess.Popen[bytes]]:
        """Return the processes of its tasks that are still running."""
        with self._lock:
            return [process for process in self._processes.values() if process.returncode is None]

    @property
    def failure(self) -> str | None:
        """Error of the first failed task, or None."""
        return next((f"Task {index} failed: {error}" for index, error in sorted(self._ends.items()) if error), None)

    @property
    def done(self) -> bool:
        return self._completed is not None

    def resource(self) -> run_v2.Execution:
        """Return the execution as Cloud Run's API represents it."""
        state = run_v2.Condition.State
        with self._lock:
            failed = sum(error is not None for error in self._ends.values())
            execution = run_v2.Execution(
                name=self.name,
                job=self._job,
                create_time=self._created,
                task_count=self._tasks,
                parallelism=self._parallelism,
                running_count=self._tasks - len(self._ends),
                succeeded_count=len(self._ends) - failed,
                failed_count=failed,
                retried_count=len(self._retried),
                template=run_v2.TaskTemplate(
                    containers=[
                        run_v2.Container(
                            image="local",
                            env=[
                                *self._definition.env_vars(),
                                *(run_v2.EnvVar(name=name, value=value) for name, value in self._overrides.items()),
                            ],
                        )
                    ],
                    max_retries=self._definition.retries,
                    timeout=duration_pb2.Duration(seconds=round(self._definition.timeout_seconds)),
                ),
            )
            condition = state.CONDITION_RECONCILING
            if self._completed is not None:
                execution.completion_time = self._completed
                condition = state.CONDITION_FAILED if failed else state.CONDITION_SUCCEEDED
            execution.conditions = [run_v2.Condition(type_="Completed", state=condition, message=self.failure or "")]
        return execution

    def _task(self, index: int) -> None:
        self._ending.wait(self._start_seconds)
        with self._slots:
            error = self._attempts(index)
        with self._lock:
            self._ends[index] = error
            if len(self._ends) == self._tasks:
                self._completed = datetime.now(UTC)

    def _attempts(self, index: int) -> str | None:
        """Run one task until an attempt succeeds. Return the error of its last attempt, or None."""
        error: str | None = "the task was never started"
        for attempt in range(self._definition.retries + 1):
            if self._ending.is_set():
                break
            with self._lock:
                self.attempts.append((index, attempt))
                if attempt:
                    self._retried.add(index)
            error = self._attempt(index, attempt)
            if error is None:
                break
        return error

    def _attempt(self, index: int, attempt: int) -> str | None:
        """Run a process to its end or the time limit. Return its error, or None."""
        environment = {
            **self._definition.environment,
            **self._definition.secrets,
            **self._overrides,
            "CLOUD_RUN_JOB": self._job.rpartition("/")[2],
            "CLOUD_RUN_EXECUTION": self.short_name,
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(self._tasks),
            "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
            "SLIDESHOW_PARENT_PID": str(os.getpid()),  # a task ends with the machine that it runs on
        }
        try:
            with self._lock:
                process = subprocess.Popen(
                    list(self._definition.command),
                    env=environment,
                    cwd=self._definition.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._output,
                )
                self._processes[index] = process
        except OSError as error:
            return str(error)
        return _wait_for_end(process, self._definition, self._ending.is_set)


def _wait_for_end(process: subprocess.Popen[bytes], limits: JobDefinition, ending: Callable[[], bool]) -> str | None:
    if ending():
        process.terminate()
    late = False
    try:
        code = process.wait(limits.timeout_seconds)
    except subprocess.TimeoutExpired:
        late = True
        process.terminate()
        try:
            code = process.wait(limits.term_grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait(10.0)
    if late:
        return f"the attempt took longer than {limits.timeout_seconds:g} s"
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return None if code == 0 else f"exit code {code}"
