"""One execution of an imitated Cloud Run job: its tasks are real processes, tried again and ended in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO

from google.cloud import run_v2
from google.protobuf import duration_pb2
from msgspec import Struct

TERM_GRACE_SECONDS = 10.0


class JobDefinition(Struct, frozen=True, kw_only=True):
    """What is deployed: the command, its environment, and the limits of an attempt.

    `secrets` reach the tasks as well; the job and its executions show only their names. `tasks` is the task count of a
    start without an override. `parallelism` is the number of tasks that may run at the same time; 0 is no limit.
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

    def shown_environment(self) -> list[run_v2.EnvVar]:
        """The environment as a viewer of the job sees it."""
        plain = [run_v2.EnvVar(name=name, value=value) for name, value in self.environment.items()]
        hidden = [
            run_v2.EnvVar(
                name=name,
                value_source=run_v2.EnvVarSource(secret_key_ref=run_v2.SecretKeySelector(secret=name.lower())),
            )
            for name in self.secrets
        ]
        return plain + hidden


class RunningExecution:
    """Starts `tasks` processes at once and follows each in a thread; `seen()` says how far it is."""

    def __init__(
        self,
        job: str,
        number: str,
        definition: JobDefinition,
        overrides: Mapping[str, str],
        tasks: int,
        *,
        output: IO[bytes] | None = None,
        start_seconds: float = 0.0,
    ) -> None:
        """`job` and `number`: full name of the job, and what tells this execution from others.

        `start_seconds` pass before the tasks begin, as they do where a container has to be brought up.
        """
        self.short_name = f"{job.rpartition('/')[2]}-{number}"
        self.name = f"{job}/executions/{self.short_name}"
        self._job = job
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
        """End its processes, and wait for them."""
        self._ending.set()
        with self._lock:
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        for thread in self._threads:
            thread.join(self._definition.term_grace_seconds + 10.0)

    def running(self) -> list[subprocess.Popen[bytes]]:
        """The processes of its tasks that have not ended yet."""
        with self._lock:
            return [process for process in self._processes.values() if process.returncode is None]

    @property
    def failure(self) -> str | None:
        """Why it failed, once it has."""
        return next((f"Task {index} failed: {why}" for index, why in sorted(self._ends.items()) if why), None)

    @property
    def done(self) -> bool:
        return self._completed is not None

    def seen(self) -> run_v2.Execution:
        """The resource as Cloud Run shows it."""
        state = run_v2.Condition.State
        with self._lock:
            failed = sum(why is not None for why in self._ends.values())
            shown = run_v2.Execution(
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
                                *self._definition.shown_environment(),
                                *(run_v2.EnvVar(name=name, value=value) for name, value in self._overrides.items()),
                            ],
                        )
                    ],
                    max_retries=self._definition.retries,
                    timeout=duration_pb2.Duration(seconds=round(self._definition.timeout_seconds)),
                ),
            )
            how = state.CONDITION_RECONCILING
            if self._completed is not None:
                shown.completion_time = self._completed
                how = state.CONDITION_FAILED if failed else state.CONDITION_SUCCEEDED
            shown.conditions = [run_v2.Condition(type_="Completed", state=how, message=self.failure or "")]
        return shown

    def _task(self, index: int) -> None:
        self._ending.wait(self._start_seconds)
        with self._slots:
            why = self._attempts(index)
        with self._lock:
            self._ends[index] = why
            if len(self._ends) == self._tasks:
                self._completed = datetime.now(UTC)

    def _attempts(self, index: int) -> str | None:
        """Run one task until an attempt succeeds. Return the error of its last attempt, or None."""
        why: str | None = "it was never started"
        for attempt in range(self._definition.retries + 1):
            if self._ending.is_set():
                break
            with self._lock:
                self.attempts.append((index, attempt))
                if attempt:
                    self._retried.add(index)
            why = self._attempt(index, attempt)
            if why is None:
                break
        return why

    def _attempt(self, index: int, attempt: int) -> str | None:
        """Run a process to its end or the time limit; what was wrong with its end, or None."""
        environment = {
            **self._definition.environment,
            **self._definition.secrets,
            **self._overrides,
            "CLOUD_RUN_JOB": self._job.rpartition("/")[2],
            "CLOUD_RUN_EXECUTION": self.short_name,
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(self._tasks),
            "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
            "SLIDESHOW_PARENT_PID": str(os.getpid()),  # a task does not outlive the machine that it runs on
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
        return _followed(process, self._definition, self._ending.is_set)


def _followed(process: subprocess.Popen[bytes], limits: JobDefinition, ending: Callable[[], bool]) -> str | None:
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
        return f"it took longer than {limits.timeout_seconds:g} s"
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return None if code == 0 else f"exit code {code}"
