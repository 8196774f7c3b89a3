"""Rules of Cloud Run that the emulator enforces when a job is started, each with its source.

Add a row for every rule that a start can violate.
Without it the tests pass on requests that Cloud Run rejects.
"""

from __future__ import annotations

from collections.abc import Callable

from google.cloud import run_v2
from msgspec import Struct

from emulators.cloud_run.execution import JobDefinition, env_overrides


class Rule(Struct, frozen=True):
    """One rule; `violation` returns an error message for a start that violates it, else None."""

    rule: str
    source: str
    violation: Callable[[JobDefinition, run_v2.RunJobRequest], str | None]


def _parallelism(definition: JobDefinition, request: run_v2.RunJobRequest) -> str | None:
    tasks = request.overrides.task_count or definition.tasks
    if definition.parallelism <= tasks:
        return None
    return f"parallelism {definition.parallelism} must be less than or equal to the task count {tasks}"


def _reserved_names(_: JobDefinition, request: run_v2.RunJobRequest) -> str | None:
    reserved = [name for name in env_overrides(request) if name.startswith("CLOUD_RUN_") or name == "PORT"]
    return f"{min(reserved)} is set by Cloud Run" if reserved else None


RULES = (
    Rule(
        "The parallelism of the job is at most the task count of the start; an override cannot change it.",
        "Cloud Run Admin API v2 reference, Execution.parallelism",
        _parallelism,
    ),
    Rule(
        "Overrides do not set variables that Cloud Run sets itself.",
        "Cloud Run container runtime contract, environment variables",
        _reserved_names,
    ),
)


def check_start(definition: JobDefinition, request: run_v2.RunJobRequest) -> str | None:
    """Return an error message for the first rule that a start violates, or None."""
    return next((error for rule in RULES if (error := rule.violation(definition, request))), None)
