"""Rules of Cloud Run that the emulator enforces when a job is deployed or started.

`emulators.invariants` lists each with its source.
Add a row there, and a check here, for every rule that a start can violate.
Without it the tests pass on requests that Cloud Run rejects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from google.cloud import run_v2

from emulators.cloud_run.execution import JobDefinition, env_overrides

MAX_TASKS = 10_000
MAX_RETRIES = 10
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600.0
MAX_ENV_NAME_CHARACTERS = MAX_ENV_VALUE_BYTES = 32_768

JOB_NAME = re.compile(r"projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/jobs/[a-z][a-z0-9-]{0,62}")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _tasks(definition: JobDefinition, request: run_v2.RunJobRequest) -> Iterator[str]:
    tasks = request.overrides.task_count or definition.tasks
    if not 1 <= tasks <= MAX_TASKS:
        yield f"task_count {tasks} must be between 1 and {MAX_TASKS}"
    if definition.parallelism > tasks:
        yield f"parallelism {definition.parallelism} must be less than or equal to the task count {tasks}"


def _timeout(definition: JobDefinition, request: run_v2.RunJobRequest) -> Iterator[str]:
    if "timeout" in request.overrides:
        seconds = request.overrides.timeout.total_seconds()
        if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
            yield f"timeout {seconds:g} s must be positive and at most {MAX_TIMEOUT_SECONDS:g} s"


def _environment(definition: JobDefinition, request: run_v2.RunJobRequest) -> Iterator[str]:
    for name, value in env_overrides(request).items():
        if name.startswith("CLOUD_RUN_") or name == "PORT":
            yield f"{name} is set by Cloud Run"
        if not name or len(name) > MAX_ENV_NAME_CHARACTERS or len(value.encode()) > MAX_ENV_VALUE_BYTES:
            yield f"the environment variable {name[:40]!r} is empty or too long"


def _containers(definition: JobDefinition, request: run_v2.RunJobRequest) -> Iterator[str]:
    for container in request.overrides.container_overrides:
        if container.name and not _DNS_LABEL.fullmatch(container.name):
            yield f"{container.name!r} is not a DNS label"


_CHECKS: tuple[Callable[[JobDefinition, run_v2.RunJobRequest], Iterator[str]], ...] = (
    _tasks,
    _timeout,
    _environment,
    _containers,
)


def check_start(definition: JobDefinition, request: run_v2.RunJobRequest) -> str | None:
    """Return an error message for the first rule that a start violates, or None."""
    return next((error for check in _CHECKS for error in check(definition, request)), None)


def check_definition(definition: JobDefinition) -> None:
    """Raise ValueError for a job that cannot be deployed."""
    limits: Mapping[str, tuple[float, float, float]] = {
        "tasks": (1, definition.tasks, MAX_TASKS),
        "retries": (0, definition.retries, MAX_RETRIES),
        "timeout_seconds": (0, definition.timeout_seconds, MAX_TIMEOUT_SECONDS),
    }
    for name, (low, value, high) in limits.items():
        if not low <= value <= high:
            raise ValueError(f"{name}={value:g} of the job must be between {low:g} and {high:g}")
